"""Gives the records of a source to a handler: in order per key, at least once, several keys at a time.

Of each partition only a little is taken in before it is paused, so a handler that waits holds up its own key, at most
its partition, and never more memory than that. What is committed is the longest finished prefix of each partition.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.payloads.lanes import Lane

if TYPE_CHECKING:
    from sluice.eventlog.interface import Partition, PolledRecord, Source

Handle = Callable[["PolledRecord"], Awaitable[None]]
"""Returns when a record is finished, whatever came of it; does not return before."""

POLL_SECONDS = 0.2
"""Also how often is committed: a kill repeats what was finished since."""
_POLL_RECORDS = 64
_LANE_RECORDS = 64
_LANE_BYTES = 1 << 20
REVOKE_SECONDS = 5.0
"""How long a partition that goes to another waits for what is under way; what is not finished then is done again."""

_LEAVE_SECONDS = 3.0


class Pump:
    """``run`` it once; it is its source's ``RebalanceListener``."""

    def __init__(self, source: Source, handle: Handle) -> None:
        self._source = source
        self._handle = handle
        self._lanes: dict[Partition, Lane] = {}
        self._queues: dict[bytes, deque[tuple[Lane, PolledRecord]]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._finished = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; then commits what is finished and leaves the group. Raises EventLogError."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await self._source.start(self)
                while not _is_cancelled():
                    self._take(await self._source.poll(POLL_SECONDS, _POLL_RECORDS))
                    await self._commit(self._lanes.values())
                    await asyncio.sleep(0)  # a source that always has something need not give the loop back
                raise asyncio.CancelledError
        finally:
            try:
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await self._commit(self._lanes.values())
            finally:
                await self._source.close()

    @property
    def unfinished(self) -> int:
        """Records that were taken in and are not finished."""
        return sum(map(len, self._lanes.values()))

    def _take(self, found: Mapping[Partition, Sequence[PolledRecord]]) -> None:
        for partition, records in found.items():
            lane = self._lanes.get(partition)
            if lane is None:
                continue  # revoked while it was polled: another has it
            lane.take(records)
            for record in records:
                self._enqueue(lane, record)
            if _is_full(lane, 1):
                self._source.pause((partition,))

    def _enqueue(self, lane: Lane, record: PolledRecord) -> None:
        key = record.key or b""
        queue = self._queues.get(key)
        if queue is not None:
            queue.append((lane, record))
        elif self._tasks is not None:
            self._queues[key] = deque([(lane, record)])
            self._tasks.create_task(self._drain(key))

    async def _drain(self, key: bytes) -> None:
        queue = self._queues[key]
        while queue:
            lane, record = queue.popleft()
            if lane.live:
                await self._handle(record)
                self._finish(lane, record)
        del self._queues[key]

    def _finish(self, lane: Lane, record: PolledRecord) -> None:
        lane.finish(record.offset)
        self._finished.set()
        if lane.live and not _is_full(lane, 2):
            self._source.resume((lane.partition,))

    async def _commit(self, lanes: Iterable[Lane]) -> None:
        due = {lane: offset for lane in lanes if (offset := lane.due()) is not None}
        if due and await self._source.commit({lane.partition: offset for lane, offset in due.items()}):
            for lane, offset in due.items():
                lane.committed(offset)

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        """These are ours: open a lane for each."""
        for partition in partitions:
            self._lanes[partition] = Lane(partition)
            self._source.resume((partition,))

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        """Take nothing more in, finish within a bound, commit, and only then let them go."""
        lanes = [lane for partition in partitions if (lane := self._lanes.get(partition)) is not None]
        self._source.pause([lane.partition for lane in lanes])
        try:
            await self._settle(lanes)
            await self._commit(lanes)
        finally:
            for lane in lanes:
                lane.live = False
                self._lanes.pop(lane.partition, None)

    async def _settle(self, lanes: Sequence[Lane]) -> None:
        try:
            async with asyncio.timeout(REVOKE_SECONDS):
                while any(lanes):
                    self._finished.clear()
                    await self._finished.wait()
        except TimeoutError:
            return


def _is_cancelled() -> bool:
    """Also where a source took the cancellation for itself, as ``asyncio.wait_for`` of Python 3.11 may."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_full(lane: Lane, share: int) -> bool:
    return len(lane) * share >= _LANE_RECORDS or lane.size_bytes * share >= _LANE_BYTES
