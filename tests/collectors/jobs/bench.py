"""Jobs on fakes: an origin in memory, a sink that remembers, and everything between them as it is."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from typing import Any

from collectors.columns import Decoder, Decodes
from collectors.entries import DatabaseEntry
from collectors.jobs.engine.work import Work
from collectors.jobs.interface import Origin, Ranges
from collectors.operations.printing import Printer
from collectors.settings import HostSettings
from collectors.sinks.interface import Sink
from schemas.codec import SchemaBook
from schemas.events import Kind
from sluice.eventlog.interface import EventLogError, OffsetLostError, Partition, PolledRecord, StoredRecord
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import NOW_MICROS, TOPICS, make_record, partition_of

QUICK: dict[str, Any] = {"base_seconds": 0.01, "max_seconds": 0.05, "halt_seconds": 0.05}


class MemoryOrigin(Origin):
    """Partitions as lists. ``failures`` are raised, one for each piece that would come next."""

    where = "memory"
    has_originals = True

    def __init__(self, records: Mapping[Partition, Sequence[PolledRecord]], *, piece: int = 100) -> None:
        self.records = {partition: list(each) for partition, each in records.items()}
        self.piece = piece
        self.first: dict[Partition, int] = {}
        """Where retention has left something from; by default it begins at 0."""
        self.ids: dict[Partition, str] = {}
        """Which logs these are."""
        self.failures: list[EventLogError | None] = []
        self.reads = 0
        self.pieces = 0
        self.is_closed = False

    async def ranges(self, topics: Collection[str]) -> Ranges:
        return {
            partition: OffsetRange(self.first.get(partition, 0), records[-1].offset + 1 if records else 0)
            for partition, records in self.records.items()
            if partition.topic in topics
        }

    async def offsets_at(self, ranges: Ranges, moment_ms: int) -> Mapping[Partition, int]:
        return {
            partition: next(
                (
                    record.offset
                    for record in self.records[partition]
                    if record.timestamp >= moment_ms and wanted.first <= record.offset < wanted.end
                ),
                wanted.end,
            )
            for partition, wanted in ranges.items()
        }

    async def lost(self, ranges: Ranges) -> Mapping[Partition, int]:
        return {partition: wanted.first for partition, wanted in ranges.items() if wanted.first}

    async def read(
        self, ranges: Ranges, topics: Collection[str]
    ) -> AsyncGenerator[tuple[Partition, Sequence[PolledRecord]], None]:
        self.reads += 1
        for partition, wanted in ranges.items():
            if wanted.first < self.first.get(partition, 0):
                message = "retention deleted records that were still to be read; begin later"
                raise OffsetLostError(message)
            found = [each for each in self.records[partition] if wanted.first <= each.offset < wanted.end]
            for at in range(0, len(found), self.piece):
                if self.failures and (failure := self.failures.pop(0)) is not None:
                    raise failure
                self.pieces += 1
                yield partition, found[at : at + self.piece]
                await asyncio.sleep(0)

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        return {each: self.ids[each] for each in partitions if each in self.ids}

    async def read_schemas(self) -> Sequence[bytes]:
        return ()

    def decoder(self, book: SchemaBook) -> Decodes:
        return Decoder(book)

    async def close(self) -> None:
        self.is_closed = True


def records(count: int, kind: Kind = "analytics", *, partition: int = 0, **changes: Any) -> list[PolledRecord]:
    """So many, with offsets from 0, appended a second apart."""
    made: list[PolledRecord] = []
    for offset in range(count):
        record = make_record(kind, offset=offset, partition=partition, **changes)
        record.timestamp = NOW_MICROS // 1_000 + 1_000 * offset
        made.append(record)
    return made


def poisoned(found: Iterable[PolledRecord], *offsets: int) -> list[PolledRecord]:
    """The same, but nothing can be made of these."""
    made = list(found)
    for record in made:
        if record.offset in offsets and isinstance(record, StoredRecord):
            record.value = b"junk"
    return made


def origin_of(count: int, kind: Kind = "analytics", **changes: Any) -> MemoryOrigin:
    """One partition with so many."""
    return MemoryOrigin({partition_of(kind): records(count, kind, **changes)})


async def work_of(origin: MemoryOrigin, sink: Sink[Any], *, entry: Any = None, **given: Any) -> Work:
    """All that the origin has, into the sink."""
    topics = tuple(TOPICS.events())
    settings = {"name": "target", "path": "sink://database", "retry": QUICK, **(entry or {})}
    chosen: dict[str, Any] = {
        "name": "job", "command": "replay", "origin": origin, "ranges": await origin.ranges(topics), "topics": topics,
        "entry": DatabaseEntry.model_validate(settings), "sink": sink, "host": HostSettings(), "printer": silent(),
        "clock": asyncio.get_running_loop().time,
    }  # fmt: skip
    return Work(**(chosen | given))


def silent(*, as_json: bool = False) -> Printer:
    """A printer whose lines can be looked at: ``_out`` and ``_err`` are in memory."""
    return Printer(as_json=as_json, out=io.StringIO(), err=io.StringIO())
