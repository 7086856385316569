"""``sink://file``: whole finished files, by the newest event that is in them.

The newest file of each partition stays, however old: its name tells the sink where to go on.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import polars as pl
import structlog

from collectors.errors import Halt, Retryable
from collectors.retention.choosing import Piece, choose, end_of_day
from collectors.retention.settings import Limit
from collectors.retention.stores import Due, Found, Progress
from collectors.sinks.formats import decompressed
from schemas.events import Kind
from schemas.topics import Topics
from sluice.clock import micros_of

_NEVER = 1 << 62
_TIMES = ("@timestamp", "timestamp", "occurred_at")
_log = structlog.get_logger(__name__)


class _Content(NamedTuple):
    events: int
    newest: int
    """In microseconds."""


class FileStore:
    """A ``Store`` of one folder. What was read of a file is remembered: finished files do not change."""

    def __init__(self, folder: Path, topics: Topics) -> None:
        self._folder = folder
        self._topics = topics
        self._contents: dict[tuple[str, int, int], _Content] = {}

    async def find(self, kind: Kind, limit: Limit, floor_micros: int, now: int) -> Found:
        """Files are read to the end, but for those that were finished too lately to be due by age."""
        return await asyncio.to_thread(self._find, kind, limit, floor_micros, now)

    def _find(self, kind: Kind, limit: Limit, floor_micros: int, now: int) -> Found:
        try:
            finished, newest = self._finished(kind)
            pieces = [each for path in finished if (each := self._piece(path, now - floor_micros)) is not None]
            pieces += [Piece(path.name, _NEVER, path.stat().st_size) for path in newest]
        except OSError as error:
            raise Retryable(f"output_directory {self._folder}: {error.strerror or error}") from error
        chosen = choose(pieces, limit, floor_micros, now)
        due = [Due(piece.name, piece.events or 0, piece.size_bytes) for piece in chosen.pieces]
        return Found(tuple(due), chosen.excess_bytes)

    def _finished(self, kind: Kind) -> tuple[Sequence[Path], Sequence[Path]]:
        """The finished files of the kind, and the newest of each partition, which counts and stays."""
        pattern = published_pattern(self._topics.event(kind).name)
        newest: dict[str, tuple[int, int, Path]] = {}
        found = []
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            match = pattern.fullmatch(path.name)
            if match is None or not path.is_file():
                continue
            found.append(path)
            place = (int(match["epoch"]), int(match["last"]), path)
            if match["partition"] not in newest or newest[match["partition"]] < place:
                newest[match["partition"]] = place
        kept = [path for _, _, path in newest.values()]
        return [path for path in found if path not in kept], kept

    def _piece(self, path: Path, oldest_kept: int) -> Piece | None:
        """A file that was finished when nothing in it could be due counts, with its bytes, as of that time."""
        stat = path.stat()
        finished_at = stat.st_mtime_ns // 1_000
        if finished_at > oldest_kept:
            return Piece(path.name, max(finished_at, oldest_kept + 1), stat.st_size)
        content = self._content(path, stat.st_size, stat.st_mtime_ns)
        return None if content is None else Piece(path.name, end_of_day(content.newest), stat.st_size, content.events)

    def _content(self, path: Path, size: int, changed: int) -> _Content | None:
        key = (path.name, size, changed)
        if key not in self._contents:
            try:
                self._contents[key] = read_content(path)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it, it is not ours to delete then
                _log.warning("a file cannot be read: it is kept", file=path.name, error=type(error).__name__)
                return None
        return self._contents[key]

    async def delete(self, kind: Kind, due: Due, progress: Progress) -> int:
        """Unlink one file of the kind."""
        if published_pattern(self._topics.event(kind).name).fullmatch(due.name) is None:
            raise Halt(f"{due.name} is no file of {kind}", "nothing is deleted")
        try:
            await asyncio.to_thread((self._folder / due.name).unlink)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise Retryable(f"{due.name} cannot be deleted: {error.strerror or error}") from error
        progress(due.events)
        return due.events

    async def close(self) -> None:
        """Nothing is open."""


def published_pattern(topic: str) -> re.Pattern[str]:
    """The names of a topic's finished files, of any partition."""
    return re.compile(
        rf"{re.escape(topic)}-(?P<epoch>\d+)-(?P<partition>[^-/]+)-(?P<first>\d{{20}})-(?P<last>\d{{20}})\.[a-z0-9.]+"
    )


def read_content(path: Path) -> _Content:
    """How many events are in a finished file, and when the newest exchange was; ValueError where that is not to be
    known."""
    if path.suffix == ".parquet":
        rows = pl.scan_parquet(path).select(pl.len(), pl.col("occurred_at").max().dt.epoch("us")).collect()
        events, newest = rows.row(0)
        return _Content(int(events), int(newest))
    with path.open("rb") as raw, decompressed(raw, path.name) as file:
        times = _csv_times(file) if ".csv" in path.suffixes else _json_times(file)
        return _summed(times)


def _summed(times: Iterable[str]) -> _Content:
    """RFC 3339 with a fixed form: the largest text is the latest."""
    events, newest = 0, ""
    for text in times:
        events, newest = events + 1, max(newest, text)
    return _Content(events, micros_of(datetime.fromisoformat(newest)))


def _json_times(file: Any) -> Iterator[str]:
    for line in file:
        document = orjson.loads(line)
        yield next(document[name] for name in _TIMES if name in document)


def _csv_times(file: Any) -> Iterator[str]:
    with io.TextIOWrapper(file, "utf-8", newline="") as text:
        for row in csv.DictReader(text):
            yield row["timestamp"]
