"""Ranges of an origin as a ``Source``: no group, no rebalance, an end that was fixed before; commits go to the job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from collectors.jobs.engine.pace import Pace
from collectors.jobs.engine.ungrouped import Ungrouped
from collectors.jobs.interface import Origin, Ranges
from sluice.eventlog.interface import EventLogError, Partition, PolledRecord, RebalanceListener
from sluice.eventlog.ranges import OffsetRange

_AHEAD = 2
"""Pieces of the origin that are read before they are asked for."""
_LOOK_SECONDS = 0.02
"""How often it is looked whether a partition that must wait still must."""

Piece = tuple[Partition, Sequence[PolledRecord]]


class RangeSource(Ungrouped):
    """Reads ahead in ``run``, which must run beside whoever polls.

    A failure of the origin is the next ``poll``'s, and after it reading begins anew where it was.
    """

    def __init__(
        self,
        origin: Origin,
        ranges: Ranges,
        topics: Collection[str],
        *,
        store: Callable[[Mapping[Partition, int]], Awaitable[None]],
        pace: Pace,
    ) -> None:
        super().__init__()
        self._origin = origin
        self._left = {partition: wanted for partition, wanted in ranges.items() if not wanted.is_empty}
        self._topics = topics
        self._store = store
        self._pace = pace
        self._ahead: asyncio.Queue[Piece | EventLogError | None] = asyncio.Queue(_AHEAD)
        self._held: Piece | None = None
        self.ended: Callable[[], None] = lambda: None
        """Called when everything was polled."""
        self.has_ended = False
        """Whether everything was polled."""

    async def start(self, listener: RebalanceListener) -> None:
        """All partitions at once, for good."""
        await listener.on_assigned(tuple(self._left))

    async def run(self) -> None:
        """Read to the end of all ranges, and go on after failures for as long as somebody polls."""
        while True:
            try:
                await self._read()
            except EventLogError as error:
                await self._ahead.put(error)
            else:
                await self._ahead.put(None)
                return

    async def _read(self) -> None:
        records = self._origin.read(dict(self._left), self._topics)
        try:
            async for partition, piece in records:
                await self._ahead.put((partition, piece))
                self._left[partition] = OffsetRange(piece[-1].offset + 1, self._left[partition].end)
        finally:
            await records.aclose()

    async def poll(self, timeout_seconds: float, max_records: int) -> Mapping[Partition, Sequence[PolledRecord]]:
        """The next piece of one partition; nothing while that one is paused, or the pace wants us to wait."""
        if (seconds := self._pace.seconds_left) > 0:
            await asyncio.sleep(min(seconds, timeout_seconds))
            return {}
        piece = self._held or await self._next(timeout_seconds)
        if piece is None:
            return {}
        partition, records = piece
        if partition in self.paused:
            self._held = piece
            await asyncio.sleep(min(_LOOK_SECONDS, timeout_seconds))
            return {}
        most = min(max_records, self._pace.most_at_once)
        self._held = (partition, records[most:]) if len(records) > most else None
        return {partition: records[:most]}

    async def _next(self, timeout_seconds: float) -> Piece | None:
        if self.has_ended:
            await asyncio.sleep(min(_LOOK_SECONDS, timeout_seconds))
            return None
        try:
            async with asyncio.timeout(timeout_seconds):
                found = await self._ahead.get()
        except TimeoutError:
            return None
        if isinstance(found, EventLogError):
            raise found
        if found is None:
            self.has_ended = True
            self.ended()
        return found

    async def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        """Into the job's progress; nobody can take a partition away."""
        await self._store(next_offsets)
        return True

    async def read_schemas(self) -> Sequence[bytes]:
        """The origin's."""
        return await self._origin.read_schemas()

    async def close(self) -> None:
        """The origin is whose opened it."""
