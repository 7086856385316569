"""Which records of a partition are finished, and so which next offset may be committed. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice.eventlog.interface import Partition, PolledRecord


class Lane:
    """One assignment of one partition; ``live`` until it is revoked. What finishes after that counts no more."""

    __slots__ = ("_committed", "_next", "_unfinished", "live", "partition", "size_bytes")

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.live = True
        self.size_bytes = 0
        """Of the unfinished."""
        self._unfinished: dict[int, int] = {}
        """Offset → bytes; as they were taken, so the first is the oldest."""
        self._next: int | None = None
        self._committed: int | None = None

    def __len__(self) -> int:
        """How many are not finished."""
        return len(self._unfinished)

    def take(self, records: Sequence[PolledRecord]) -> None:
        """These are ours to finish now; in the order of the log."""
        for record in records:
            size = len(record.value or b"")
            self._unfinished[record.offset] = size
            self.size_bytes += size
            self._next = record.offset + 1

    def finish(self, offset: int) -> None:
        """This one is done, whatever came of it."""
        self.size_bytes -= self._unfinished.pop(offset, 0)

    def due(self) -> int | None:
        """The next offset to commit: of the first that is not finished, or behind the last; ``None`` where it is."""
        head = next(iter(self._unfinished), self._next)
        return None if head == self._committed else head

    def committed(self, next_offset: int) -> None:
        """The log has stored this."""
        self._committed = next_offset
