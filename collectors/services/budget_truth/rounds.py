"""Reading the log round by round, in no group: from where each partition is applied to where it ends now."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from collectors.services.budget_truth.counting import Batch, Position
from collectors.services.budget_truth.fitting import Found, Misfit, fitted
from collectors.settings import HostSettings
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.eventlog.connect import open_ranges, topics_of
from sluice.eventlog.interface import Partition, PolledRecord
from sluice.eventlog.ranges import OffsetRange, RangeReader

_MAX_BATCH_BYTES = 16 << 20

OnBatch = Callable[[Batch], Awaitable[None]]


class Rounds:
    """One reader of the budget events and the gateways' reports. All raise EventLogError."""

    def __init__(
        self,
        host: HostSettings,
        batch_records: int,
        open_reader: Callable[[HostSettings], RangeReader] = lambda host: open_ranges(host, host.data_dir),
    ) -> None:
        self._host = host
        self._batch_records = batch_records
        self._open_reader = open_reader
        self._reader: RangeReader | None = None
        self._is_kafka = bool(host.kafka.bootstrap_servers)
        topics: Topics = topics_of(host)
        self._budget = topics.event("budget").name
        self.topics = (self._budget, topics.gateway_report.name)
        self.positions: dict[Partition, Position] = {}
        """As they are stored; set by whoever owns the truth."""
        self._was_at_end: set[Partition] = set()
        self._to_be_dated: set[Partition] = set()
        """Begun in the middle: the first record from there says since when all is covered."""
        self._unstored: set[Partition] = set()
        self._ends: Mapping[Partition, OffsetRange] = {}

    @property
    def reader(self) -> RangeReader:
        """The present one."""
        if self._reader is None:
            self._reader = self._open_reader(self._host)
        return self._reader

    async def read_schemas(self) -> Sequence[bytes]:
        """What writers have published."""
        return await self.reader.read_schemas()

    async def close(self) -> None:
        """Let go of the log; the next round opens it again."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    def begin(self, positions: Mapping[Partition, Position]) -> None:
        """Go on from what is stored."""
        self.positions = dict(positions)
        self._was_at_end.clear()
        self._unstored.clear()

    async def fit(self) -> list[Misfit]:
        """Look at the log; ``positions`` fit it afterwards, and are still to be stored where they did not."""
        ids = await self._look()
        misfits: list[Misfit] = []
        for partition, there in self._ends.items():
            was_at_end = partition in self._was_at_end
            found = Found(partition, there, ids.get(partition, ""), self._is_kafka, was_at_end)
            before = self.positions.get(partition)
            self.positions[partition], some = fitted(before, found)
            if self.positions[partition] != before:
                self._unstored.add(partition)
            if any(misfit.is_cut for misfit in some):
                self._to_be_dated.add(partition)
            misfits += some
        return misfits

    async def _look(self) -> Mapping[Partition, str]:
        """Ids before ends: what is made anew in between goes by the id of the log before until the next look, which
        finds it. The other way round it would be taken for one that was read."""
        ids = await self.reader.log_ids(self.positions)
        self._ends = await self.reader.ranges(self.topics)
        if self._ends.keys() - self.positions.keys():
            ids = await self.reader.log_ids(self._ends)
            self._ends = await self.reader.ranges(self.topics)
        return ids

    def end_at(self, ends: Mapping[Partition, int]) -> None:
        """Read no further than this in the next run, and no partition that is not named."""
        self._ends = {
            partition: OffsetRange(there.first, min(there.end, ends[partition]))
            for partition, there in self._ends.items()
            if partition in ends
        }

    @property
    def span(self) -> int:
        """How many offsets the ends of ``fit`` are away from the beginnings."""
        return sum(max(0, there.end - there.first) for there in self._ends.values())

    def done(self, batch: Batch) -> int:
        """How many of them are behind us with this batch."""
        return sum(
            max(0, min(batch.positions.get(each, self.positions[each]).next_offset, there.end) - there.first)
            for each, there in self._ends.items()
        )

    async def run(self, on_batch: OnBatch) -> None:
        """Everything up to the ends that ``fit`` found; batch by batch, the last one with the ends themselves."""
        wanted = {
            partition: OffsetRange(self.positions[partition].next_offset, there.end)
            for partition, there in self._ends.items()
        }
        batch, size = Batch(), 0
        async for partition, records in self._read(wanted):
            for some in self._pieces(records):
                self._take(batch, partition, some)
                size += sum(len(record.value or b"") for record in some)
                if len(batch) >= self._batch_records or size >= _MAX_BATCH_BYTES:
                    await self._flush(batch, on_batch)
                    batch, size = Batch(), 0
        for partition, there in wanted.items():
            is_behind = self.positions[partition].next_offset < there.end
            if is_behind or partition in batch.positions or partition in self._unstored:
                batch.positions[partition] = replace(self.positions[partition], next_offset=there.end)
        if self._to_be_dated.intersection(wanted):  # nothing came from there that would tell the time
            self._to_be_dated.difference_update(wanted)
            batch.covers_since = now_micros()
        self._was_at_end = set(wanted)
        await self._flush(batch, on_batch)

    async def _flush(self, batch: Batch, on_batch: OnBatch) -> None:
        await on_batch(batch)
        self.positions.update(batch.positions)
        self._unstored.difference_update(batch.positions)

    def _pieces(self, records: Sequence[PolledRecord]) -> list[Sequence[PolledRecord]]:
        step = self._batch_records
        return [records[at : at + step] for at in range(0, len(records), step)]

    def _take(self, batch: Batch, partition: Partition, records: Sequence[PolledRecord]) -> None:
        if partition in self._to_be_dated:
            self._to_be_dated.discard(partition)
            batch.covers_since = max(batch.covers_since, records[0].timestamp * 1_000)
        for record in records:
            (batch.events if record.topic == self._budget else batch.reports).append(record)
        at = batch.positions.get(partition, self.positions[partition])
        batch.positions[partition] = replace(at, next_offset=records[-1].offset + 1)

    async def _read(
        self, wanted: Mapping[Partition, OffsetRange]
    ) -> AsyncIterator[tuple[Partition, Sequence[PolledRecord]]]:
        """Each with its partition: records of a journal do not know theirs, so one is read after the other."""
        due = {partition: each for partition, each in wanted.items() if not each.is_empty}
        for part in [due] if self._is_kafka else [{partition: each} for partition, each in due.items()]:
            async for records in self.reader.read(part, self.topics):
                yield Partition(records[0].topic, records[0].partition) if self._is_kafka else next(iter(part)), records
