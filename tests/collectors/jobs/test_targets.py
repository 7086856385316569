"""Targets are entries as they are in life, or it is said why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.entries import CollectorEntry, DatabaseEntry, FileEntry, S3Entry
from collectors.errors import Halt, Retryable
from collectors.jobs.interface import UsageError
from collectors.jobs.targets import TargetError, entry_named, in_a_place_of_its_own, open_target, start_target
from collectors.settings import HostSettings, Settings
from collectors.sinks import registry
from tests.collectors.fakes import FakeSink

ENTRIES: list[dict[str, Any]] = [
    {"name": "rows", "path": "sink://database", "enabled": False},
    {"name": "files", "path": "sink://file", "config": {"output_directory": "out"}},
    {"name": "bucket", "path": "sink://s3", "config": {"bucket": "logs", "prefix": "sluice/"}},
]
SETTINGS = Settings.model_validate({"data_collection_plugins": ENTRIES})


def test_an_entry_is_found_enabled_or_not() -> None:
    """`fallback` is the events database of the data folder."""
    host = HostSettings(data_dir=Path("/d"))
    assert entry_named("rows", SETTINGS, host).name == "rows"
    fallback = entry_named("fallback", SETTINGS, host)
    assert isinstance(fallback, DatabaseEntry)
    assert fallback.config.url == "sqlite+aiosqlite:////d/events.db"
    with pytest.raises(UsageError, match="no entry 'row'; did you mean rows"):
        entry_named("row", SETTINGS, host)
    with pytest.raises(UsageError, match=r"say which.*there are rows, files, bucket, fallback"):
        entry_named("", SETTINGS, host)


def test_sinks_named_by_offsets_get_a_place_of_their_own() -> None:
    """Else a replay would meet what the live one wrote, and take it for its own."""
    files, bucket = SETTINGS.data_collection_plugins[1:]
    moved = in_a_place_of_its_own(files, "again")
    assert isinstance(moved, FileEntry)
    assert moved.config.output_directory == Path("out/replay=again")
    moved = in_a_place_of_its_own(bucket, "again")
    assert isinstance(moved, S3Entry)
    assert moved.config.prefix == "sluice/replay=again/"
    rows = SETTINGS.data_collection_plugins[0]
    assert in_a_place_of_its_own(rows, "again") is rows


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Halt("status 403", "grant it"), "cannot be written to: status 403; grant it"),
        (Retryable("refused"), "does not answer: refused"),
    ],
)
async def test_why_it_cannot_be_written_is_said(error: Exception, words: str) -> None:
    """And the sink is closed."""
    sink = FakeSink()
    sink.start_errors.append(error)
    with pytest.raises(TargetError, match=words):
        await start_target(sink, "--sink x")
    assert sink.closed


async def test_a_fault_of_its_own_goes_on_up() -> None:
    """Closed all the same; one that starts stays open."""
    sink = FakeSink()
    sink.start_errors.append(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await start_target(sink, "--sink x")
    assert sink.closed
    sink = FakeSink()
    await start_target(sink, "--sink x")
    assert not sink.closed


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    entry: CollectorEntry = SETTINGS.data_collection_plugins[2]
    kind = registry.SinkKind("x:y", ("no_such_module",), "s3")
    monkeypatch.setitem(registry.SINKS, "sink://s3", kind)
    with pytest.raises(UsageError, match=r"needs no_such_module: pip install 'sluice-gateway\[s3\]'"):
        open_target(entry, SETTINGS, HostSettings(), Path(), "job")
