"""What the sources of jobs share: nobody else reads with them, so nobody waits for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sluice.eventlog.interface import Partition, PartitionLag


class Ungrouped:
    """The part of a ``Source`` that is in no group. ``paused`` is looked at by whoever polls."""

    def __init__(self) -> None:
        self.paused: set[Partition] = set()
        """What nothing may be polled of now."""

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Poll nothing from these until resumed; what lies behind them waits too."""
        self.paused.update(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Undo ``pause``."""
        self.paused.difference_update(partitions)

    async def lag(self) -> Mapping[Partition, PartitionLag]:
        """Nobody waits for a job: it has an end instead."""
        return {}
