"""The event log as commands read it: in no group, decoded, and kept up across whatever befalls it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from collectors.operations.decoding import Decoding, Shown
from collectors.settings import HostSettings
from schemas.topics import Topics
from sluice.eventlog.connect import open_ranges, topics_of
from sluice.eventlog.interface import EventLogError, OffsetLostError, Partition, PolledRecord
from sluice.eventlog.ranges import OffsetRange, RangeReader

_END = (1 << 63) - 1
_LOOK_SECONDS = 0.2
_ABSENT_SECONDS = 1.0
_LOOK_AROUND_SECONDS = 5.0
"""How often what is followed is looked for anew: partitions come, and a consumer may fall silent."""
_WAIT_SECONDS = (0.5, 1.0, 2.0, 5.0)

Note = Callable[[str], None]


@dataclass(eq=False)
class Log:
    """Use it as a context: connects with the first question, closes at the end."""

    settings: HostSettings
    open_reader: Callable[[HostSettings], RangeReader] = field(
        default=lambda settings: open_ranges(settings, settings.data_dir)
    )

    def __post_init__(self) -> None:
        self.topics: Topics = topics_of(self.settings)
        self.is_kafka = bool(self.settings.kafka.bootstrap_servers)
        self.reader = self.open_reader(self.settings)
        self.decoding = Decoding(self.settings, self.topics, self._schemas)

    async def _schemas(self) -> Sequence[bytes]:
        """By the reader of this moment: it is made anew when the log was away."""
        return await self.reader.read_schemas()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.reader.close()

    @property
    def where(self) -> str:
        """What is read, for people."""
        return f"Kafka at {self.settings.kafka.bootstrap_servers}" if self.is_kafka else str(self.settings.data_dir)

    async def ranges(
        self, topics: Collection[str], from_ms: int = 0, to_ms: int | None = None
    ) -> dict[Partition, OffsetRange]:
        """What there is of these topics from a moment on and before another (milliseconds)."""
        ranges = dict(await self.reader.ranges(topics))
        firsts = await self.reader.offsets_at(ranges, from_ms) if from_ms else {}
        ends = {} if to_ms is None else await self.reader.offsets_at(ranges, to_ms)
        return {
            partition: OffsetRange(firsts.get(partition, found.first), ends.get(partition, found.end))
            for partition, found in ranges.items()
        }

    async def read(
        self, ranges: Mapping[Partition, OffsetRange], topics: Collection[str]
    ) -> AsyncIterator[tuple[Partition, Sequence[PolledRecord]]]:
        """Each with its partition: one journal after the other, as records in them do not know their own; those of
        Kafka side by side."""
        for part in [ranges] if self.is_kafka else [{partition: wanted} for partition, wanted in ranges.items()]:
            async for records in self.reader.read(part, topics):
                yield Partition(records[0].topic, records[0].partition) if self.is_kafka else next(iter(part)), records

    async def shown(self, ranges: Mapping[Partition, OffsetRange], topics: Collection[str]) -> AsyncGenerator[Shown]:
        """The same, decoded."""
        async for partition, records in self.read(ranges, topics):
            for record in records:
                yield await self.decoding.show(record, partition)

    async def follow(self, topics: Collection[str], from_ms: int, note: Note) -> AsyncGenerator[Shown]:
        """From a moment on, without end: through restarts of brokers, new journals and lost records, each said once."""
        positions: dict[Partition, int] | None = None
        failures, is_behind = 0, False
        while True:
            try:
                if positions is None:
                    positions = {each: found.first for each, found in (await self.ranges(topics, from_ms)).items()}
                if is_behind:
                    positions, is_behind = await self._later(positions, topics), False
                async for partition, records in self._since(positions, topics):
                    if failures:
                        note(f"{self.where} answers again")
                        failures = 0
                    for record in records:
                        yield await self.decoding.show(record, partition)
                        positions[partition] = record.offset + 1
            except OffsetLostError as error:
                note(f"records were deleted before they were read: {error}")
                is_behind = True
            except EventLogError as error:
                if not failures:
                    note(f"{error}; waiting")
                await self._again(failures)
                failures += 1

    async def _later(self, positions: Mapping[Partition, int], topics: Collection[str]) -> dict[Partition, int]:
        """Where there is something again; what now ends before what was read is another log of that name."""
        found = await self.reader.ranges(topics)
        return {each: _again_in(found[each], positions.get(each, 0)) for each in found}

    async def _again(self, failures: int) -> None:
        await self.reader.close()
        await asyncio.sleep(_WAIT_SECONDS[min(failures, len(_WAIT_SECONDS) - 1)])
        self.reader = self.open_reader(self.settings)

    async def _since(
        self, positions: dict[Partition, int], topics: Collection[str]
    ) -> AsyncIterator[tuple[Partition, Sequence[PolledRecord]]]:
        """What comes for a while, then whether there is more to look at; new partitions begin at their beginning."""
        found = await self.reader.ranges(topics)
        for partition, wanted in found.items():
            positions.setdefault(partition, wanted.first)
        until = asyncio.get_running_loop().time() + _LOOK_AROUND_SECONDS
        reading = self._from_kafka if self.is_kafka else self._from_journals
        async for part in reading(positions, topics, until):
            yield part

    async def _from_kafka(
        self, positions: Mapping[Partition, int], topics: Collection[str], until: float
    ) -> AsyncIterator[tuple[Partition, Sequence[PolledRecord]]]:
        """All partitions side by side, by a consumer that waits."""
        if not positions:  # nobody has made these topics yet
            await asyncio.sleep(_ABSENT_SECONDS)
            return
        open_ends = {partition: OffsetRange(position, _END) for partition, position in positions.items()}
        records = self.reader.read(open_ends, topics)
        try:
            while True:
                async with asyncio.timeout_at(until):
                    part = await anext(records)
                yield Partition(part[0].topic, part[0].partition), part
        except TimeoutError:
            return
        finally:
            await _closed(records)

    async def _from_journals(
        self, positions: dict[Partition, int], topics: Collection[str], until: float
    ) -> AsyncIterator[tuple[Partition, Sequence[PolledRecord]]]:
        """Journals are files: what was appended is there, and looked for again and again. All of their topics are read,
        so that what is nobody's is passed over once and not at each look."""
        everything = {topic.name for topic in self.topics.all()}.union(topics)
        while asyncio.get_running_loop().time() < until:
            open_ends = {partition: OffsetRange(position, _END) for partition, position in positions.items()}
            async for partition, records in self.read(open_ends, everything):
                if wanted := [record for record in records if record.topic in topics]:
                    yield partition, wanted
                positions[partition] = records[-1].offset + 1
            await asyncio.sleep(_LOOK_SECONDS)


def _again_in(found: OffsetRange, position: int) -> int:
    return found.first if position > found.end else max(position, found.first)


async def _closed(records: Any) -> None:
    await records.aclose()
