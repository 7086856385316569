"""Events of the log as frames, read in no group and decoded off the loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence

from collectors.deliveries import Delivery, Frame
from collectors.jobs.interface import Origin, Ranges
from collectors.schema_lookup import SchemaLookup
from collectors.tracker import Lane
from schemas.codec import SchemaBook
from schemas.events import Kind
from schemas.topics import Topics
from sluice.eventlog.interface import Partition, PolledRecord

_SLICE_RECORDS, _SLICE_BYTES = 5_000, 8 << 20


class EventReader:
    """Reads events of ``kinds``. What cannot be decoded is counted: its sequence number is not known."""

    def __init__(self, origin: Origin, topics: Topics, kinds: Collection[Kind], *, has_registry: bool = False) -> None:
        self._origin = origin
        self._book = SchemaBook(has_registry=has_registry)
        self._decoder = origin.decoder(self._book)
        self._kinds = topics.events()
        self._lookup = SchemaLookup(self._book, origin.read_schemas)
        self.topics = tuple(topics.event(kind).name for kind in kinds)
        self.undecodable: Counter[Kind] = Counter()

    async def ranges(self) -> Ranges:
        """All that the log has of these kinds now."""
        return await self._origin.ranges(self.topics)

    async def frames(self, ranges: Ranges) -> AsyncIterator[tuple[Partition, Frame]]:
        """Each with the partition that it lies in. Raises EventLogError."""
        async for partition, records in self._origin.read(ranges, self.topics):
            for part in _delivery(partition, records).slices(_SLICE_RECORDS, _SLICE_BYTES):
                for frame in await self._decoded(part):
                    yield partition, frame

    async def _decoded(self, delivery: Delivery) -> list[Frame]:
        decoded = await asyncio.to_thread(self._decoder.decode, delivery)
        frames = list(decoded.frames)
        self._count(decoded.poison.delivery)
        for fingerprint, unknown in decoded.unknown.items():
            if await self._lookup.finds(fingerprint):
                frames += await self._decoded(unknown)
            else:
                self._count(unknown)
        return frames

    def _count(self, delivery: Delivery) -> None:
        self.undecodable.update(self._kinds[record.topic] for record in delivery.records)


def _delivery(partition: Partition, records: Sequence[PolledRecord]) -> Delivery:
    delivery = Delivery()
    delivery.add_lane(records, Lane(partition))
    return delivery
