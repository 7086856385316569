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
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from sluice.eventlog.interface import Partition, PolledRecord

_PRUNE_AT = 10_000


class Lane:
    """One assignment of one partition. ``live`` until it is revoked or lost."""

    __slots__ = ("_committed", "_marks", "_next", "_unfinished", "live", "log_id", "partition")

    def __init__(self, partition: Partition, log_id: str = "") -> None:
        """``log_id``: which log it is, where that is known; another under the same name has other records."""
        self.partition = partition
        self.log_id = log_id
        self.live = True
        self._unfinished: dict[str, set[int]] = {}  # by topic: a journal holds several
        self._next: int | None = None
        self._committed: int | None = None
        self._marks: deque[tuple[int, int]] = deque()

    def deliver(self, records: Sequence[PolledRecord]) -> None:
        """These are ours to finish now; in the order of the log."""
        if not records:
            return
        for topic in {record.topic for record in records}:
            offsets = [record.offset for record in records if record.topic == topic]
            self._unfinished.setdefault(topic, set()).update(offsets)
        self._next = max(self._next or 0, records[-1].offset + 1)
        self._marks.append((records[0].offset, records[0].timestamp))

    def finish(self, offsets: Iterable[int]) -> None:
        """These are done, whatever their outcome; unknown ones are ignored."""
        finished = list(offsets)
        for unfinished in self._unfinished.values():
            unfinished.difference_update(finished)

    @property
    def unfinished(self) -> int:
        """How many records wait for their outcome."""
        return sum(map(len, self._unfinished.values()))

    def unfinished_in(self, topic: str) -> Collection[int]:
        """The offsets of a topic that wait for their outcome."""
        return self._unfinished.get(topic, set())

    def first_unfinished(self, topic: str, start: int, besides: Collection[int]) -> int | None:
        """The first offset of a topic from ``start`` on that waits for its outcome and is not one of these."""
        waiting = self._unfinished.get(topic, set()).difference(besides)
        first = min(waiting, default=None)
        if first is None or first >= start:
            return first
        return min((offset for offset in waiting if offset >= start), default=None)

    def _head(self) -> int | None:
        return min((min(offsets) for offsets in self._unfinished.values() if offsets), default=None)

    def next_offset(self) -> int | None:
        """What may be committed; ``None`` before anything was delivered. Never falls."""
        head = self._head()
        head = self._next if head is None else head
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
        head = self._head()
        if head is None:
            self._marks.clear()
            return None
        while len(self._marks) > 1 and self._marks[1][0] <= head:
            self._marks.popleft()
        return self._marks[0][1]


class CollectorLane(Lane):
    """A lane as one collector of several sees it: what is not for it, or not any more, does not lie before the rest.

    Sinks whose names are offsets write in the order of the log. Without this they would wait for records that only
    another collector is not done with.
    """

    __slots__ = ("_aside", "_lane", "_prune_at")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._aside: dict[str, set[int]] = {}
        self._prune_at = _PRUNE_AT
        self.partition = lane.partition
        self.log_id = lane.log_id

    @property
    def live(self) -> bool:  # type: ignore[override]
        """As the lane's own."""
        return self._lane.live

    def set_aside(self, topic: str, offsets: Collection[int]) -> None:
        """These never come to the collector, or never again."""
        aside = self._aside.setdefault(topic, set())
        aside.update(offsets)
        if len(aside) >= self._prune_at:
            aside.intersection_update(self._lane.unfinished_in(topic))
            self._prune_at = 2 * max(len(aside), _PRUNE_AT)

    def first_unfinished(self, topic: str, start: int, besides: Collection[int]) -> int | None:
        """As the lane's own, of what is or may come to be for the collector."""
        aside = self._aside.get(topic)
        return self._lane.first_unfinished(topic, start, aside.union(besides) if aside else besides)


class Tracker:
    """The lanes that are ours now."""

    def __init__(self) -> None:
        self._lanes: dict[Partition, Lane] = {}

    def assign(self, partitions: Iterable[Partition], log_ids: Mapping[Partition, str] = MappingProxyType({})) -> None:
        """Open a lane for each; a lane that was still open is closed."""
        for partition in partitions:
            self.revoke((partition,))
            self._lanes[partition] = Lane(partition, log_ids.get(partition, ""))

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
