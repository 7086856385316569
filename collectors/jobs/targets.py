"""Where a job writes: an entry of ``collectors.yaml`` as it is in life, made ready, or the reason why it cannot be."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from collectors.entries import FALLBACK, AnyEntry, CollectorEntry, DatabaseEntry, FileEntry, S3Entry
from collectors.errors import Halt, Retryable
from collectors.jobs.interface import UsageError
from collectors.plans import EVENTS_DATABASE
from collectors.settings import HostSettings, Settings
from collectors.sinks.interface import Sink
from collectors.sinks.registry import SinkOpening, kind_of, open_sink
from collectors.sinks.settings import DatabaseSettings


class TargetError(Exception):
    """The target cannot be written to now; the message says what to do."""


def entry_named(name: str, settings: Settings, host: HostSettings, option: str = "--sink") -> AnyEntry:
    """The entry, enabled or not; ``fallback`` is the data folder's events database. UsageError names the nearest."""
    for entry in settings.data_collection_plugins:
        if entry.name == name:
            return entry
    if name == FALLBACK:
        config = DatabaseSettings(url=f"sqlite:///{host.data_dir / EVENTS_DATABASE}")
        return DatabaseEntry(name=FALLBACK, path="sink://database", config=config)
    names = [*(entry.name for entry in settings.data_collection_plugins), FALLBACK]
    near = get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    given = f"no entry {name!r}" if name else "say which entry of the collectors' file is to be written"
    raise UsageError(f"{option}: {given}; {hint}")


def in_a_place_of_its_own(entry: AnyEntry, job: str) -> AnyEntry:
    """Of sinks whose names are offsets: ``replay=<job>/`` below where the live one writes, so that none meets it."""
    folder = f"replay={job}"
    if isinstance(entry, FileEntry):
        directory = entry.config.output_directory / folder
        return entry.model_copy(update={"config": entry.config.model_copy(update={"output_directory": directory})})
    if isinstance(entry, S3Entry):
        prefix = f"{entry.config.prefix}{folder}/"
        return entry.model_copy(update={"config": entry.config.model_copy(update={"prefix": prefix})})
    return entry


def open_target(entry: CollectorEntry, settings: Settings, host: HostSettings, folder: Path, job: str) -> Sink[Any]:
    """Its sink; nothing is reached yet. Raises UsageError where something is not installed."""
    named = cast("AnyEntry", entry)  # whatever has a path is one
    kind = kind_of(named.path)
    if missing := kind.missing():
        raise UsageError(f"{named.path} needs {', '.join(missing)}: pip install 'sluice-gateway[{kind.extra}]'")
    return open_sink(named, SinkOpening(host, folder, settings.control, f"replay={job}"))


async def start_target(sink: Sink[Any], what: str) -> None:
    """Make it ready; raises TargetError, and closes it then: a command does not wait as a collector does."""
    try:
        await sink.start()
    except Halt as halt:
        await sink.close()
        raise TargetError(f"{what} cannot be written to: {halt}") from halt
    except Retryable as error:
        await sink.close()
        raise TargetError(f"{what} does not answer: {error}; see that it runs and is reached from here") from error
    except BaseException:
        await sink.close()
        raise
