"""Reading parts of the log in no group: what lies between two offsets, from a moment on; no live group notices.

Behind the Protocol stand the journals of a host and Kafka, held to one contract suite. ``sluice tail``, dead letters,
replays and reconciliation read through it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from sluice.eventlog.interface import NamedLogs, Partition, PolledRecord


class OffsetRange(NamedTuple):
    """The records of a partition from ``first`` on and before ``end``; offsets in between may be nobody's."""

    first: int
    end: int

    @property
    def is_empty(self) -> bool:
        """Whether no record can lie in it."""
        return self.first >= self.end


class RangeReader(NamedLogs, Protocol):
    """Reads ranges of these topics. Used from one loop; one ``read`` at a time. All raise ``EventLogError``."""

    async def ranges(self, topics: Collection[str]) -> Mapping[Partition, OffsetRange]:
        """Everything there is now, by partition; a journal is one partition for all topics. Empty where a topic does
        not exist."""
        ...

    async def offsets_at(self, ranges: Mapping[Partition, OffsetRange], moment_ms: int) -> Mapping[Partition, int]:
        """In each range the offset of the first record appended at a moment (milliseconds since the epoch) or after
        it; the range's end where there is none."""
        ...

    def read(
        self, ranges: Mapping[Partition, OffsetRange], topics: Collection[str]
    ) -> AsyncIterator[Sequence[PolledRecord]]:
        """The records of these ranges, in order per partition, some at a time; ends behind the last.

        Raises ``OffsetLostError`` where the log deleted what was still to be read.
        """
        ...

    async def read_schemas(self) -> Sequence[bytes]:
        """The JSON texts of all schemas that the log knows."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
