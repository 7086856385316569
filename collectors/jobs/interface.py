"""What jobs are made of: where records come from, how they become events, and how a job ends.

Exit codes of every job: 0 it is done and everything is where it should be, 1 something is not, 2 it was asked for
something that there is not, or that needs ``--yes``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from collectors.columns import Decodes
from collectors.deliveries import Frame
from collectors.operations.running import OK, USAGE, WRONG, UsageError
from schemas.codec import SchemaBook
from sluice.eventlog.interface import Partition, PolledRecord
from sluice.eventlog.ranges import OffsetRange

__all__ = ["OK", "USAGE", "WRONG", "Decodes", "FrameTest", "Origin", "Ranges", "UsageError"]

Ranges = Mapping[Partition, OffsetRange]
"""What a job reads, fixed when it begins."""

FrameTest = Callable[[Frame], Sequence[int]]
"""The positions of the rows of a frame that are meant, in order; a range where these are all."""


class Origin(Protocol):
    """Where a job reads from: the log, or what was kept of it. Used from one loop; one ``read`` at a time.

    Partitions and offsets name records as the log does, whatever holds them now. All raise ``EventLogError``.
    """

    @property
    def where(self) -> str:
        """What is read, for people."""
        ...

    @property
    def has_originals(self) -> bool:
        """Whether key, value and headers of a record are the bytes that the log had: only then a topic may be given
        them."""
        ...

    async def ranges(self, topics: Collection[str]) -> Ranges:
        """Everything there is now, by partition; empty where a topic does not exist."""
        ...

    async def offsets_at(self, ranges: Ranges, moment_ms: int) -> Mapping[Partition, int]:
        """In each range the offset of the first record appended at a moment or after it; its end where none was."""
        ...

    async def lost(self, ranges: Ranges) -> Mapping[Partition, int]:
        """Partition → how many offsets before what is there were deleted from it; only those of which some were."""
        ...

    def read(
        self, ranges: Ranges, topics: Collection[str]
    ) -> AsyncGenerator[tuple[Partition, Sequence[PolledRecord]], None]:
        """The records of these ranges with their partition, in order in each, some at a time; ends behind the last.

        Raises ``OffsetLostError`` where what was still to be read has been deleted.
        """
        ...

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        """Which logs these are, as far as that is known: a log that is made anew under its name has another id."""
        ...

    async def read_schemas(self) -> Sequence[bytes]:
        """The JSON texts of all schemas that are known there."""
        ...

    def decoder(self, book: SchemaBook) -> Decodes:
        """What makes frames of these records."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
