"""The embedded event log as a consumer group sees it: every journal below ``data_dir`` is a partition.

One process per group and host, held by a lock. Journals come and go while it runs (workers, adopted orphans); a group
is registered at each, so that retention keeps what it has not read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from schemas.cloudevents import EVENT_ID
from sluice.eventlog.interface import (
    EventLogError,
    Partition,
    PartitionLag,
    PolledRecord,
    RebalanceListener,
    StoredRecord,
    Subscription,
)
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.identity import journal_id
from sluice.eventlog.journal.lock import FileLock
from sluice.eventlog.journal.offsets import NOTHING_COMMITTED, load_offset, offset_path, store_offset
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.journal.segment import segment_numbers
from sluice.eventlog.journal.tail import JournalTail
from sluice.eventlog.places import all_journals, group_lock
from sluice.eventlog.settings import JournalSettings

_LOOK_SECONDS = 0.02
"""How often an idle source looks for new records: one ``fstat`` and one ``pread`` a journal."""
_DISCOVER_SECONDS = 1.0
_IDENTITY_SECONDS = 0.5

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Lane:
    """One journal, read for this group."""

    partition: Partition
    offset_file: Path
    reader: JournalReader
    tail: JournalTail
    delivered_next: int = -1
    """Behind the last record that was handed out; what lies between it and the reader's place was not asked for."""
    marks: deque[tuple[int, int]] = field(default_factory=deque)
    """Offset and append time of the first record of each poll that is not committed yet."""

    def forget_marks(self, committed: int) -> None:
        """What lies before a committed offset is no longer waited for."""
        if committed >= self.delivered_next:
            self.marks.clear()
        while len(self.marks) > 1 and self.marks[1][0] <= committed:
            self.marks.popleft()


class JournalSource:
    """A ``Source`` over all journals of a host."""

    def __init__(self, data_dir: Path, subscription: Subscription, settings: JournalSettings) -> None:
        self._data_dir = data_dir
        self._group = subscription.group
        self._topics = frozenset(subscription.topics)
        self._retention_ms = int(settings.retention_seconds * 1000)
        self._lanes: dict[Partition, _Lane] = {}
        self._paused: set[Partition] = set()
        self._lock: FileLock | None = None
        self._listener: RebalanceListener | None = None
        self._discover_at = 0.0
        self._turn = 0
        self.listener_failures = 0

    async def start(self, listener: RebalanceListener) -> None:
        """Take the group's lock and find the journals; raises JournalBusyError."""
        remedy = f"another collector runs group {self._group}: end it, or name this service otherwise"
        self._lock = FileLock(group_lock(self._data_dir, self._group), remedy)
        self._listener = listener
        await self._discover()

    async def poll(self, timeout_seconds: float, max_records: int) -> Mapping[Partition, Sequence[PolledRecord]]:
        """Records not yet polled, of every journal that is not paused."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while True:
            if loop.time() >= self._discover_at:
                await self._discover()
            found = self._read(max_records)
            left = deadline - loop.time()
            if found or left <= 0:
                return found
            await asyncio.sleep(min(_LOOK_SECONDS, left))

    def _read(self, max_records: int) -> dict[Partition, list[PolledRecord]]:
        found: dict[Partition, list[PolledRecord]] = {}
        lanes = list(self._lanes.items())
        self._turn += 1  # another begins each time: one that always fills the bound must not starve those behind it
        for at in range(len(lanes)):
            partition, lane = lanes[(self._turn + at) % len(lanes)]
            if max_records <= 0:
                break
            if partition in self._paused:
                continue
            records = self._read_lane(lane, max_records)
            if records:
                found[partition] = records
                max_records -= len(records)
        return found

    def _read_lane(self, lane: _Lane, max_records: int) -> list[PolledRecord]:
        """Records of our topics; others are passed over, a bounded number of them at a time."""
        records: list[PolledRecord] = [
            polled(record) for record in lane.reader.read(max_records) if record.topic in self._topics
        ]
        if records:
            lane.delivered_next = records[-1].offset + 1
            lane.marks.append((records[0].offset, records[0].timestamp))
        return records

    async def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        """Store the group's next offsets, each in its journal's directory."""
        if any(partition not in self._lanes for partition in next_offsets):
            return False
        for partition, offset in next_offsets.items():
            lane = self._lanes[partition]
            # what follows the last record of ours is nobody's of this group: it must not look like lag
            through = lane.reader.next_offset if offset == lane.delivered_next else offset
            try:
                store_offset(lane.offset_file, lane.reader.committed(through))
            except OSError as error:
                message = f"{lane.offset_file} cannot be written: {error}"
                raise EventLogError(message) from error
            lane.forget_marks(offset)
        return True

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Read nothing from these until resumed."""
        self._paused.update(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Undo ``pause``."""
        self._paused.difference_update(partitions)

    async def lag(self) -> Mapping[Partition, PartitionLag]:
        """Counted exactly; the oldest append time is that of the oldest polled and uncommitted record."""
        lags = {}
        for partition, lane in self._lanes.items():
            committed = load_offset(lane.offset_file)
            if committed is not None and committed.offset >= lane.delivered_next and lane.reader.next_offset:
                committed = lane.reader.committed(lane.reader.next_offset)  # what was passed over is nobody's of ours
            records = lane.tail.lag_records(committed)
            oldest = lane.marks[0][1] if lane.marks else None
            lags[partition] = PartitionLag(records, oldest, self._retention_ms)
        return lags

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        """The ids of these journals, of those that have one."""
        return await log_ids_of(self._data_dir, partitions)

    async def read_schemas(self) -> Sequence[bytes]:
        """The schemas at the head of every segment there is."""
        return schemas_of(self._data_dir)

    async def close(self) -> None:
        """Close the files and let another process have the group."""
        for lane in self._lanes.values():
            lane.reader.close()
            lane.tail.close()
        self._lanes.clear()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # journals come and go

    async def _discover(self) -> None:
        self._discover_at = asyncio.get_running_loop().time() + _DISCOVER_SECONDS
        present = {partition_of(directory): directory for directory in all_journals(self._data_dir)}
        gone = [partition for partition in self._lanes if partition not in present]
        if gone:
            await self._tell(gone, assigned=False)
            for partition in gone:
                lane = self._lanes.pop(partition)
                lane.reader.close()
                lane.tail.close()
        new = [partition for partition in present if partition not in self._lanes]
        for partition in new:
            self._lanes[partition] = self._open(partition, present[partition])
        if new:
            await self._tell(new, assigned=True)

    def _open(self, partition: Partition, directory: Path) -> _Lane:
        offset_file = offset_path(directory, self._group)
        committed = load_offset(offset_file)
        if committed is None:
            store_offset(offset_file, NOTHING_COMMITTED)  # from now on retention keeps everything for this group
        return _Lane(partition, offset_file, JournalReader(directory, committed), JournalTail(directory))

    async def _tell(self, partitions: list[Partition], *, assigned: bool) -> None:
        listener = self._listener
        if listener is None:
            return
        try:
            await (listener.on_assigned if assigned else listener.on_revoked)(partitions)
        except Exception:  # the listener's own to count: it must not end the group
            self.listener_failures += 1
            logger.exception("rebalance listener failed", group=self._group)


async def log_ids_of(data_dir: Path, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
    """The ids of the journals below a folder that these partitions are, of those that have one."""
    directories = {partition_of(directory): directory for directory in all_journals(data_dir)}
    ids = {}
    for each in partitions:
        if each in directories and (known := await _settled_id(directories[each])):
            ids[each] = known
    return ids


async def _settled_id(directory: Path) -> str:
    """Of a journal that is being made it is waited for: it is there before the first segment."""
    deadline = asyncio.get_running_loop().time() + _IDENTITY_SECONDS
    while True:
        if known := journal_id(directory):
            return known
        if segment_numbers(directory) or asyncio.get_running_loop().time() >= deadline:
            return journal_id(directory)
        await asyncio.sleep(_LOOK_SECONDS)


def schemas_of(data_dir: Path) -> list[bytes]:
    """The schemas at the head of every segment of every journal."""
    schemas: dict[bytes, None] = {}
    for directory in all_journals(data_dir):
        reader = JournalReader(directory)
        reader.skip_to_end()
        schemas.update(dict.fromkeys(reader.schemas))
        reader.close()
    return list(schemas)


def partition_of(directory: Path) -> Partition:
    """What a journal is called as a partition."""
    return Partition(f"{directory.parent.name}/{directory.name}", 0)


def polled(record: WrittenRecord) -> StoredRecord:
    """As a consumer gets it: ``ce_id`` among its headers."""
    headers = record.headers
    if record.event_id:
        headers = ((EVENT_ID, record.event_id), *headers)
    return StoredRecord(record.topic, 0, record.offset, record.appended_at_ms, record.key, record.value, headers)
