"""Which records are finished, and so which next offset may be committed. Pure: no clock, no I/O.

A **lane** is one assignment of one partition: what was delivered to us there and is not finished yet. What is committed
is the first unfinished offset, or one past the last delivered where all is finished: the longest finished prefix and
nothing more. Offsets may have gaps (compaction, transactions, topics filtered out). A partition that comes back gets a
new lane, so whatever finishes late on the old one is ignored.

Only the unfinished are kept, in sets: delivering, finishing and asking cost a C loop per batch, not Python per record,
and a head that is stuck costs one entry however much is finished behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from sluice.eventlog.interface import Partition, PolledRecord


class Lane:
    """One assignment of one partition. ``live`` until it is revoked or lost."""

    __slots__ = ("_committed", "_marks", "_next", "_unfinished", "live", "partition")

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.live = True
        self._unfinished: set[int] = set()
        self._next: int | None = None
        self._committed: int | None = None
        self._marks: deque[tuple[int, int]] = deque()

    def deliver(self, records: Sequence[PolledRecord]) -> None:
        """These are ours to finish now; in the order of the log."""
        if not records:
            return
        self._unfinished.update([record.offset for record in records])
        self._next = max(self._next or 0, records[-1].offset + 1)
        self._marks.append((records[0].offset, records[0].timestamp))

    def finish(self, offsets: Iterable[int]) -> None:
        """These are done, whatever their outcome; unknown ones are ignored."""
        self._unfinished.difference_update(offsets)

    @property
    def unfinished(self) -> int:
        """How many records wait for their outcome."""
        return len(self._unfinished)

    def next_offset(self) -> int | None:
        """What may be committed; ``None`` before anything was delivered. Never falls."""
        head = min(self._unfinished) if self._unfinished else self._next
        if head is None:
            return None
        return head if self._committed is None else max(head, self._committed)

    def due(self) -> int | None:
        """``next_offset`` where it is not committed yet."""
        offset = self.next_offset()
        return None if offset == self._committed else offset

    def committed(self, offset: int) -> None:
        """The log has stored this next offset."""
        self._committed = offset

    def oldest_at_ms(self) -> int | None:
        """A lower bound of the append time of the oldest unfinished record; ``None`` where there is none."""
        if not self._unfinished:
            self._marks.clear()
            return None
        head = min(self._unfinished)
        while len(self._marks) > 1 and self._marks[1][0] <= head:
            self._marks.popleft()
        return self._marks[0][1]


class Tracker:
    """The lanes that are ours now."""

    def __init__(self) -> None:
        self._lanes: dict[Partition, Lane] = {}

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Open a lane for each; a lane that was still open is closed."""
        for partition in partitions:
            self.revoke((partition,))
            self._lanes[partition] = Lane(partition)

    def revoke(self, partitions: Iterable[Partition]) -> None:
        """Close these: nothing that finishes there counts any more."""
        for partition in partitions:
            lane = self._lanes.pop(partition, None)
            if lane is not None:
                lane.live = False

    def lane(self, partition: Partition) -> Lane | None:
        """The open lane of a partition."""
        return self._lanes.get(partition)

    def lanes(self, partitions: Iterable[Partition] | None = None) -> list[Lane]:
        """The open lanes of these partitions, or all."""
        if partitions is None:
            return list(self._lanes.values())
        return [lane for partition in partitions if (lane := self._lanes.get(partition)) is not None]

    def due(self, partitions: Iterable[Partition] | None = None) -> dict[Partition, int]:
        """The next offsets that are not committed yet."""
        offsets = {lane.partition: lane.due() for lane in self.lanes(partitions)}
        return {partition: offset for partition, offset in offsets.items() if offset is not None}

    def committed(self, next_offsets: Mapping[Partition, int]) -> None:
        """The log has stored these."""
        for partition, offset in next_offsets.items():
            lane = self._lanes.get(partition)
            if lane is not None:
                lane.committed(offset)

    def unfinished(self, partitions: Iterable[Partition] | None = None) -> int:
        """How many records of these partitions wait for their outcome."""
        return sum(lane.unfinished for lane in self.lanes(partitions))

    def oldest_at_ms(self) -> int | None:
        """The append time of the oldest unfinished record of all lanes, as ``Lane.oldest_at_ms``."""
        times = [at for lane in self._lanes.values() if (at := lane.oldest_at_ms()) is not None]
        return min(times, default=None)
