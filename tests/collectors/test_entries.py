"""Entries: every sink can be one and can be a fallback; what a fallback is given has a meaning there."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from collectors.entries import (
    FALLBACK,
    SINK_PATHS,
    AnyEntry,
    BreakerSettings,
    CollectorEntry,
    DatabaseEntry,
    Entry,
    PluginEntry,
    SinkEntry,
)

NEEDED: dict[str, dict[str, Any]] = {
    "sink://webhook": {"url": "http://127.0.0.1:1"},
    "sink://kafka": {"topic": "copies"},
    "sink://s3": {"bucket": "events"},
}
"""Of the ``config`` of a sink that cannot do without."""

ENTRY: TypeAdapter[AnyEntry] = TypeAdapter(Entry)


def settings_of(path: str) -> dict[str, Any]:
    """As little as an entry of this sink needs."""
    return {"path": path, **({"config": NEEDED[path]} if path in NEEDED else {})}


def refused(**entry: Any) -> str:
    """Why such an entry is."""
    with pytest.raises(ValidationError) as caught:
        ENTRY.validate_python({"name": "x", **entry})
    return str(caught.value)


@pytest.mark.parametrize("path", SINK_PATHS)
def test_every_sink_is_an_entry_and_can_be_a_fallback(path: str) -> None:
    """With the same settings; a sink replaces the database, and a plugin does not, until an operator says otherwise."""
    entry = ENTRY.validate_python({"name": "x", **settings_of(path)})
    assert isinstance(entry, get_args(SinkEntry))
    assert (entry.path, entry.replace_database, entry.gives_fallback) == (path, True, False)
    plugin = ENTRY.validate_python({"name": "x", "path": "p.py", "fallback": settings_of(path)})
    assert isinstance(plugin, PluginEntry)
    assert (plugin.replace_database, plugin.gives_fallback) == (False, True)
    assert plugin.fallback is not None
    assert type(plugin.fallback) is type(entry)
    assert (plugin.fallback.path, plugin.fallback.name) == (path, FALLBACK)


def test_no_two_sinks_share_a_path() -> None:
    """By it the settings of an entry, and of a fallback, are chosen."""
    paths = [path for entry in get_args(SinkEntry) for path in get_args(entry.model_fields["path"].annotation)]
    assert sorted(paths) == sorted(SINK_PATHS)


def test_none_is_said_and_not_left_out() -> None:
    """``fallback: none`` is something else than a fallback that nobody spoke of."""
    assert (DatabaseEntry.model_validate({"name": "x", "path": "sink://database"}).gives_fallback) is False
    given = DatabaseEntry.model_validate({"name": "x", "path": "sink://database", "fallback": "none"})
    assert (given.fallback, given.gives_fallback) == (None, True)


@pytest.mark.parametrize(
    "key", sorted(set(CollectorEntry.model_fields) - {"redact", "batch", "retry", "breaker", "dead_letter"})
)
def test_what_only_an_entry_of_its_own_can_have_is_refused(key: str) -> None:
    """It would be believed: a fallback has no selection, no order and no fallback of its own."""
    message = refused(path="p.py", fallback={"path": "sink://database", key: "x"})
    assert f"{key} has no meaning for a fallback" in message


@pytest.mark.parametrize("fallback", [None, 7, [], "none at all", "p.py", "grpc://h:1", {}, {"path": 7}])
def test_what_is_no_sink_is_no_fallback(fallback: Any) -> None:
    """A plugin may pass an event, and the last one must not."""
    assert "fallback" in refused(path="sink://database", fallback=fallback)


@pytest.mark.parametrize(
    "breaker", [{"max_failures": -1}, {"open_seconds": 0}, {"open_seconds": "inf"}, {"failures": 3}]
)
def test_a_breaker_that_cannot_work_is_refused(breaker: Any) -> None:
    """Zero failures is never; zero seconds would be always."""
    assert "breaker" in refused(path="sink://database", breaker=breaker)
    assert BreakerSettings(max_failures=0).open_seconds > 0
