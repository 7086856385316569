"""What operators ask of the log: which topics there are and how large, and how far behind each group is on each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sluice.eventlog.interface import Partition


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """One topic as it is; what is not known is ``None``."""

    name: str
    purpose: str
    exists: bool
    partitions: int | None = None
    records: int | None = None
    """Of Kafka the span of offsets: compaction and transactions leave fewer."""
    size_bytes: int | None = None
    retention_ms: int | None = None
    """``None`` where nothing is deleted by age."""
    differences: tuple[str, ...] = ()
    """Each ``setting is VALUE, not VALUE`` of one that we would make otherwise."""


@dataclass(frozen=True, slots=True)
class GroupLag:
    """How far behind one group is on one partition."""

    group: str
    partition: Partition
    topic: str
    next_offset: int | None
    """What is committed; ``None`` where nothing is."""
    records: int
    oldest_at_ms: int | None = None
    """When the oldest record that is not committed was appended."""
    retention_ms: int | None = None

    def age_seconds(self, now_ms: int) -> float | None:
        """Of the oldest record that is not committed."""
        return None if self.oldest_at_ms is None else max(0.0, (now_ms - self.oldest_at_ms) / 1_000)

    def seconds_to_loss(self, now_ms: int) -> float | None:
        """Until the log deletes it; ``None`` where nothing waits, or nothing is deleted."""
        age = self.age_seconds(now_ms)
        return None if age is None or self.retention_ms is None else self.retention_ms / 1_000 - age


@dataclass(slots=True)
class Survey:
    """What was found, and what could not be looked at."""

    topics: list[TopicFacts] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Surveyor(Protocol):
    """Looks at a log. All raise ``EventLogError``."""

    async def topics(self) -> Survey:
        """Every topic of this version, with what it is."""
        ...

    async def lag(self, group: str = "") -> list[GroupLag]:
        """Of every group that reads our topics, or of one."""
        ...

    async def create(self) -> list[str]:
        """Make the topics that are missing; their names."""
        ...
