"""What another configuration changes: nothing that says the same is touched, and nothing that differs is missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.configuration.changes import Changes, Recipe, changes_of, new_sinks, recipes_of, restart_keys
from collectors.settings import Settings

HERE = Path("data")


def settings_of(*entries: dict[str, Any], **more: Any) -> Settings:
    """Of these entries."""
    return Settings.model_validate({"data_collection_plugins": entries, **more})


def recipes(*entries: dict[str, Any], **more: Any) -> dict[str, Recipe]:
    """By service."""
    settings = settings_of(*entries, **more)
    return {each.name: each for each in recipes_of(settings, settings.services())}


def changes(before: dict[str, Recipe], after: dict[str, Recipe], *failed: str) -> dict[str, list[str]]:
    """In names."""
    found = changes_of(before, list(after.values()), HERE, failed)
    named = {"changed": [each.name for each in found.changed], "added": [each.name for each in found.added]}
    return {key: value for key, value in {"removed": list(found.removed), **named}.items() if value}


def store(name: str, **more: Any) -> dict[str, Any]:
    """An entry with a database of its own."""
    return {"name": name, "path": "sink://database", "config": {"url": f"sqlite:///{name}.db"}, **more}


def plugin(**config: Any) -> dict[str, Any]:
    """An entry that is a plugin."""
    return {"name": "p", "path": "python://x:Y", "config": config}


SEARCH = {"name": "s", "path": "sink://elasticsearch", "config": {"password": "one", "username": "u"}}


def test_each_service_is_kept_changed_added_or_removed() -> None:
    """By its name; the order of the new ones is kept, and that alone changes nothing."""
    before = recipes(store("a"), store("b"), store("c"))
    after = recipes(store("d"), store("c", sample=0.5), store("a"), store("e"))
    assert changes(before, after) == {"removed": ["b"], "changed": ["c"], "added": ["d", "e"]}
    assert changes(before, recipes(store("c"), store("a"), store("b"))) == {}
    assert not Changes()


def test_a_default_that_is_written_out_is_no_change() -> None:
    """Nor is another form of the same value: nobody is stopped for it."""
    kinds = ["proxy_log", "analytics", "budget"]
    written = store("a", enabled=True, priority=0, batch={"max_age_seconds": "500ms"}, hook_types=kinds)
    assert changes(recipes(store("a")), recipes(written)) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"sample": 0.5},
        {"batch": {"max_records": 7}},
        {"retry": {"halt_seconds": 3}},
        {"include": {"apps": [1]}},
        {"redact": {"bodies": "metadata"}},
        {"hook_types": ["budget"]},
        {"config": {"url": "sqlite:///other.db"}},
        {"path": "sink://file", "config": {}},
        {"replace_database": False},
        {"flow": {"max_writes": 1}},
    ],
)
def test_whatever_is_said_otherwise_is_a_change(change: dict[str, Any]) -> None:
    """Of that service, and of no other."""
    assert changes(recipes(store("a"), store("b")), recipes({**store("a"), **change}, store("b"))) == {"changed": ["a"]}


def test_a_secret_that_changes_is_a_change() -> None:
    """Though it is printed as stars."""
    other = {**SEARCH, "config": {**SEARCH["config"], "password": "two"}}  # type: ignore[dict-item]
    assert changes(recipes(SEARCH), recipes(other)) == {"changed": ["s"]}
    assert changes(recipes(SEARCH), recipes(SEARCH)) == {}


@pytest.mark.parametrize(("one", "other"), [({"a": 1}, {"a": True}), ({"a": 1}, {"a": 1.0}), ({"a": 1}, {"a": "1"})])
def test_a_plugin_s_value_of_another_type_is_a_change(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Where Python says that both are equal."""
    assert changes(recipes(plugin(**one)), recipes(plugin(**other))) == {"changed": ["p"]}
    assert changes(recipes(plugin(a={"x": 1, "y": 2})), recipes(plugin(a={"y": 2, "x": 1}))) == {}


def test_what_plugins_are_told_of_the_gateway_is_theirs_alone() -> None:
    """Another ``control`` exchanges services with plugins, and no others."""
    control = {"url": "http://h:1", "token": "t"}
    before, after = recipes(plugin(), store("a")), recipes(plugin(), store("a"), control=control)
    assert changes(before, after) == {"changed": ["p"]}


def test_a_fallback_that_would_be_another_database_is_a_change() -> None:
    """Where a ``url`` is given that is the default's own, the file is no longer the one in the data folder."""
    given = {"path": "sink://database", "config": {"url": "sqlite:///events.db"}}
    default = {"path": "sink://database"}
    one, other = recipes({**plugin(), "fallback": default}), recipes({**plugin(), "fallback": given})
    assert changes(one, other) == {"changed": ["p"]}
    assert changes(recipes(plugin()), one) == {}


def test_several_in_one_service_are_one() -> None:
    """One that comes to it, leaves it or takes another turn changes it."""
    a, b = store("a", service="s"), store("b", service="s")
    assert changes(recipes(a), recipes(a, b)) == {"changed": ["s"]}
    assert changes(recipes(a, b), recipes(b, a)) == {"changed": ["s"]}
    assert changes(recipes(a), recipes(store("a"))) == {"removed": ["s"], "added": ["a"]}


def test_what_failed_for_good_begins_anew_when_it_is_asked_for() -> None:
    """Though nothing of it changed."""
    same = recipes(store("a"), store("b"))
    assert changes(same, same, "b") == {"changed": ["b"]}


def test_keys_that_need_a_restart_are_named() -> None:
    """Those that are read once; the others are not."""
    before = settings_of(store("a"))
    after = settings_of(store("b"), server={"port": 1}, shutdown_seconds=7, control={"url": "http://h", "token": "t"})
    assert restart_keys(before, after) == ("server", "shutdown_seconds")
    assert restart_keys(before, before) == ()


def test_only_sinks_that_were_not_there_are_asked() -> None:
    """A service whose batches change must not wait for the sink that it has."""
    [before], [after] = recipes(store("a")).values(), recipes(store("a", sample=0.1)).values()
    assert new_sinks(after, before) == ()
    [elsewhere] = recipes({**store("a"), "config": {"url": "sqlite:///new.db"}}).values()
    assert [entry.name for entry in new_sinks(elsewhere, before)] == ["a"]
    [fallen] = recipes({**store("a"), "replace_database": False}).values()
    assert [entry.name for entry in new_sinks(fallen, before)] == ["fallback"]
    assert len(new_sinks(after, None)) == 1
