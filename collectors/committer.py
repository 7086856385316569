"""Commits what is finished: the longest finished prefix of each partition, and no further."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog

from collectors.health import Health
from collectors.metrics import CommitResult, ServiceMetrics
from collectors.tracker import Lane, Tracker
from sluice.eventlog.interface import EventLogError, Partition, Source

COMMITS = "commits"
"""Where its troubles are kept in ``Health``."""

_TIMEOUT_SECONDS = 5.0
"""A commit that is retried without end would hold a shutdown up: a duplicate is better than a hang."""

_log = structlog.get_logger(__name__)


class Committer:
    """Stores next offsets, one commit at a time."""

    def __init__(
        self, source: Source, tracker: Tracker, health: Health, metrics: ServiceMetrics, clock: Callable[[], float]
    ) -> None:
        self._source = source
        self._tracker = tracker
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._committing = asyncio.Lock()

    async def commit(self, partitions: Iterable[Partition] | None = None) -> bool:
        """Commit what is due, of these partitions or of all; whether the log took it. Never raises."""
        async with self._committing:
            lanes = self._tracker.lanes(partitions)
            due = {lane: offset for lane in lanes if (offset := lane.due()) is not None}
            if not due:
                return True
            result = await self._store({lane.partition: offset for lane, offset in due.items()})
            if result == "stored":
                _mark(due)
            elif result == "refused" and len(due) > 1:
                await self._one_by_one(due)
        return result == "stored"

    async def _one_by_one(self, due: Mapping[Lane, int]) -> None:
        """A single partition that we lost unawares would have all others refused for ever: find it, and forget it."""
        results = {lane: await self._store({lane.partition: offset}) for lane, offset in due.items()}
        stored = {lane: due[lane] for lane, result in results.items() if result == "stored"}
        _mark(stored)
        if stored:  # else it was the membership that was refused: a rebalance follows
            lost = [lane.partition for lane, result in results.items() if result == "refused" and lane.live]
            self._tracker.revoke(lost)

    async def _store(self, next_offsets: dict[Partition, int]) -> CommitResult:
        began = self._clock()
        result: CommitResult = "failed"
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                stored = await self._source.commit(next_offsets)
            result = "stored" if stored else "refused"
            self._health.clear(COMMITS)
        except (EventLogError, TimeoutError) as error:
            self._health.trouble(COMMITS, f"next offsets could not be committed: {str(error) or 'no answer'}")
        finally:
            self._metrics.committed(result, self._clock() - began)
        return result


def _mark(stored: Mapping[Lane, int]) -> None:
    for lane, offset in stored.items():
        lane.committed(offset)
