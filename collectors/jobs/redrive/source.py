"""The dead letters of a target as a ``Source``: the records that they were, in no group, to an end that is known."""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from collectors.dead_letters import RedrivenRecord
from collectors.jobs.engine.ungrouped import Ungrouped
from collectors.jobs.redrive.ledger import Ledger
from collectors.jobs.redrive.letters import Letter
from collectors.jobs.redrive.survey import Offsets
from collectors.operations.log import Log
from schemas.topics import DLQ_SUFFIX
from sluice.eventlog.interface import EventLogError, OffsetLostError, Partition, PolledRecord, RebalanceListener
from sluice.eventlog.ranges import OffsetRange

_IDLE_SECONDS = 0.05

Found = tuple[Partition, list[RedrivenRecord]]


def lane_name(job: str, partition: Partition) -> Partition:
    """What sinks know a place of letters by: a job's own, so that a file of it is no live collector's, and what another
    job left out is not taken for written."""
    return Partition(f"{job}/{partition.topic}/{partition.partition}", 0)


class LetterSource(Ungrouped):
    """Of one life of a service. Letters that ``ledger`` has settled are passed over."""

    def __init__(self, open_log: Callable[[], Log], chosen: Offsets, ledger: Ledger) -> None:
        super().__init__()
        self._open_log = open_log
        self._chosen = {partition: offsets for partition, offsets in chosen.items() if offsets}
        self._ledger = ledger
        self._next = {partition: offsets[0] for partition, offsets in self._chosen.items()}
        self._lanes = {partition: lane_name(ledger.job, partition) for partition in self._chosen}
        self._log: Log | None = None
        self._found: AsyncIterator[Found] | None = None
        self._buffer: Found | None = None
        self._handed: dict[Partition, deque[int]] = {partition: deque() for partition in self._chosen}
        self.has_ended = False
        """Whether every letter that is there was handed out."""

    async def start(self, listener: RebalanceListener) -> None:
        """Everything is ours."""
        await listener.on_assigned(self._lanes.values())

    async def poll(self, timeout_seconds: float, max_records: int) -> Mapping[Partition, Sequence[PolledRecord]]:
        """Records of letters, in order in each partition; nothing while any is paused: the bounds are one job's.

        A read may take longer than that: nothing but the same few batches waits for it.
        """
        if self.paused or self.has_ended:
            await asyncio.sleep(min(_IDLE_SECONDS, timeout_seconds))
            return {}
        if self._buffer is None:
            self._buffer = await self._fetched()
        if self._buffer is None or not self._buffer[1]:
            self._buffer = None
            return {}
        partition, records = self._buffer
        now, later = records[:max_records], records[max_records:]
        self._buffer = (partition, later) if later else None
        self._next[partition] = now[-1].offset + 1
        self._handed[partition].extend([record.offset for record in now])
        return {self._lanes[partition]: now}

    async def _fetched(self) -> Found | None:
        if self._found is None:
            self._log = self._open_log()
            self._found = self._letters(self._log)
        try:
            found = await anext(self._found, None)
        except EventLogError as error:
            await self.close()
            if isinstance(error, OffsetLostError) and await self._skip_lost():
                return None
            raise
        self.has_ended = found is None
        return found

    async def _letters(self, log: Log) -> AsyncIterator[Found]:
        ranges = {
            partition: OffsetRange(self._next[partition], offsets[-1] + 1)
            for partition, offsets in self._chosen.items()
            if self._next[partition] <= offsets[-1]
        }
        topics = tuple(topic + DLQ_SUFFIX for topic in log.topics.events())
        async for partition, records in log.read(ranges, topics):
            offsets = self._chosen[partition]
            yield (
                partition,
                [
                    Letter.of(partition, record).original()
                    for record in records
                    if _holds(offsets, record.offset) and not self._ledger.is_done(partition, record.offset)
                ],
            )

    async def _skip_lost(self) -> bool:
        """Go on behind what retention deleted meanwhile; whether something was."""
        log = self._open_log()
        try:
            ranges = await log.ranges(tuple(topic + DLQ_SUFFIX for topic in log.topics.events()))
        finally:
            await log.reader.close()
        has_moved = False
        for partition, offsets in self._chosen.items():
            first = ranges[partition].first if partition in ranges else offsets[-1] + 1
            if first > self._next[partition]:
                self._next[partition], has_moved = first, True
        return has_moved

    @property
    def is_finished(self) -> bool:
        """Whether every letter that is there is settled."""
        if not self.has_ended:
            return False
        for partition, handed in self._handed.items():
            while handed and self._ledger.is_done(partition, handed[0]):
                handed.popleft()
        return not any(self._handed.values())

    async def commit(self, next_offsets: Mapping[Partition, int]) -> bool:  # noqa: ARG002 - marks say what is settled
        """Nothing to store: each letter bears a mark of its own."""
        return True

    async def read_schemas(self) -> Sequence[bytes]:
        """As collectors look them up."""
        log = self._open_log()
        try:
            return await log.reader.read_schemas()
        finally:
            await log.reader.close()

    async def close(self) -> None:
        """Let go of the log."""
        log, self._log, self._found = self._log, None, None
        if log is not None:
            await log.reader.close()


def _holds(offsets: array[int], offset: int) -> bool:
    at = bisect_left(offsets, offset)
    return at < len(offsets) and offsets[at] == offset
