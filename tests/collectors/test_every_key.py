"""A typo in any key of ``collectors.yaml``, at any depth and in each sink's ``config``, is told with the right one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from collectors.entries import SINK_PATHS, AnyEntry, CollectorEntry, PluginEntry, sink_meant_by
from collectors.settings import Settings
from sluice.settings import SettingsError, settings_of

Path = tuple[str | int, ...]


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The one settings tree inside an optional; not of a union, nor of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    members = [each for each in get_args(annotation) if each is not type(None)]
    return model_in(members[0]) if len(members) == 1 else None


def keys_of(model: type[BaseModel], path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every key below, with the keys that lead to it."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        yield path, key
        inner = model_in(field.annotation)
        if inner is not None and not issubclass(inner, CollectorEntry):
            yield from keys_of(inner, (*path, key))


def misspelt(key: str) -> str:
    """With a letter twice: as near to itself as a typo can be."""
    middle = len(key) // 2
    return key[:middle] + key[middle] + key[middle:]


def problems_of(document: dict[str, Any]) -> list[str]:
    """What is said of it."""
    with pytest.raises(SettingsError) as caught:
        settings_of(document, Settings, "c.yaml", {})
    return caught.value.problems


def with_key(path: Path, key: str, document: dict[str, Any]) -> dict[str, Any]:
    """A document that has this key there."""
    inner: Any = document
    for part in path:
        inner = inner.setdefault(part, {})
    inner[key] = 1
    return document


def assert_told(found: list[str], path: Path, key: str, start: str) -> None:
    """Among whatever else may be missing there."""
    wrong = misspelt(key)
    where = ".".join(map(str, (*path, wrong)))
    assert f"{start}{where}: unknown key; did you mean {key}?" in found, found


ENTRIES: list[type[CollectorEntry]] = list(get_args(AnyEntry))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
def test_of_entries(entry: type[CollectorEntry]) -> None:
    """Of every sink and of plugins: whatever key of whatever part."""
    paths = get_args(entry.model_fields["path"].annotation) or ("python://x:Y",)
    count = 0
    for path, key in keys_of(entry):
        document = with_key(path, misspelt(key), {"name": "x", "path": paths[0]})
        assert_told(problems_of({"data_collection_plugins": [document]}), path, key, "data_collection_plugins[0].")
        count += 1
    assert count > 40


@pytest.mark.parametrize("path", SINK_PATHS)
def test_of_fallbacks(path: str) -> None:
    """Their ``config`` is a sink's own there too."""
    [entry] = [each for each in ENTRIES if path in get_args(each.model_fields["path"].annotation)]
    config = model_in(entry.model_fields["config"].annotation)
    assert config is not None
    for below, key in keys_of(config, ("config",)):
        fallback = with_key(below, misspelt(key), {"path": path})
        document = {"name": "x", "path": "python://x:Y", "fallback": fallback}
        found = problems_of({"data_collection_plugins": [document]})
        assert_told(found, below, key, "data_collection_plugins[0].fallback.")


def test_of_everything_else() -> None:
    """Server, control, tracing and whatever else stands beside the entries."""
    for path, key in keys_of(Settings):
        document = with_key(path, misspelt(key), {})
        assert_told(problems_of(document), path, key, "")


def test_below_names_that_people_give() -> None:
    """A mapping has any keys; below them there are ours again."""
    [problem] = problems_of({"retention": {"stores": {"search": {"proxy_log": {"max_agee": "9d"}}}}})
    assert problem == "retention.stores.search.proxy_log.max_agee: unknown key; did you mean max_age?"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("sink://elastic", "sink://elasticsearch"),
        ("sink://Elasticsearch", "sink://elasticsearch"),
        ("elasticsearch", "sink://elasticsearch"),
        ("sinks://databse", "sink://database"),
        ("sink://es", "sink://elasticsearch"),
        ("sink://opensearch", "sink://elasticsearch"),
        ("sink://postgres", "sink://database"),
        ("sink://click-house", "sink://clickhouse"),
        ("sink://webhooks/", "sink://webhook"),
        ("sink://stdou", "sink://stdout"),
        ("parquet", "sink://file"),
    ],
)
def test_the_nearest_sink_is_named(path: str, meant: str) -> None:
    """Of entries and of fallbacks; by other names that people know it by, too."""
    [problem] = problems_of({"data_collection_plugins": [{"name": "x", "path": path}]})
    assert problem.startswith(f"data_collection_plugins[0]: path: {path!r} is neither a sink nor a plugin; ")
    assert problem.endswith(f"did you mean {meant}?")
    plugin = {"name": "x", "path": "python://x:Y"}
    for fallback in (path, {"path": path}):
        [problem] = problems_of({"data_collection_plugins": [{**plugin, "fallback": fallback}]})
        assert f"fallback: path: {path!r} is no sink; did you mean {meant}?" in problem


@pytest.mark.parametrize("path", ["sink://qqqqqq", "", "./run-me", "nonsense"])
def test_one_that_is_near_to_none_gets_the_list(path: str) -> None:
    """All sinks, and how plugins are named."""
    [problem] = problems_of({"data_collection_plugins": [{"name": "x", "path": path}]})
    assert all(each in problem for each in SINK_PATHS)
    assert "python://" in problem


def test_what_is_right_is_left_alone() -> None:
    """Sinks, plugins, and what is no text."""
    assert [sink_meant_by(path) for path in (*SINK_PATHS, "p.py", "grpc://h:1", None, 7)] == [""] * (
        len(SINK_PATHS) + 4
    )
    assert PluginEntry in ENTRIES
