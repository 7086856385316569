"""The log as a job's origin, be it Kafka or the journals of this host."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence

from collectors.columns import Decoder
from collectors.jobs.interface import Decodes, Origin, Ranges
from collectors.settings import HostSettings
from schemas.codec import SchemaBook
from sluice.eventlog.connect import open_ranges
from sluice.eventlog.interface import Partition, PolledRecord
from sluice.eventlog.journal.offsets import offset_of
from sluice.eventlog.ranges import OffsetRange, RangeReader

__all__ = ["LogOrigin", "Origin", "open_origin"]

FIRST_OF_JOURNAL = offset_of(1, 0)
"""Where a journal begins that nothing was deleted from."""


class LogOrigin:
    """An ``Origin`` over a ``RangeReader``: in no group, so that no live one notices."""

    has_originals = True

    def __init__(self, reader: RangeReader, where: str, *, is_kafka: bool) -> None:
        self._reader = reader
        self._is_kafka = is_kafka
        self.where = where

    async def ranges(self, topics: Collection[str]) -> Ranges:
        """From the first record that retention has left to the end of this moment."""
        return await self._reader.ranges(topics)

    async def offsets_at(self, ranges: Ranges, moment_ms: int) -> Mapping[Partition, int]:
        """By append time."""
        return await self._reader.offsets_at(ranges, moment_ms)

    async def lost(self, ranges: Ranges) -> Mapping[Partition, int]:
        """Every partition begins at its first offset, unless retention was there."""
        first = 0 if self._is_kafka else FIRST_OF_JOURNAL
        return {partition: found.first - first for partition, found in ranges.items() if found.first > first}

    async def read(
        self, ranges: Ranges, topics: Collection[str]
    ) -> AsyncGenerator[tuple[Partition, Sequence[PolledRecord]], None]:
        """Kafka's partitions side by side; one journal after the other, as records in them do not know their own."""
        parts: list[dict[Partition, OffsetRange]] = (
            [dict(ranges)] if self._is_kafka else [{partition: wanted} for partition, wanted in ranges.items()]
        )
        for part in parts:
            async for records in self._reader.read(part, topics):
                first = records[0]
                yield Partition(first.topic, first.partition) if self._is_kafka else next(iter(part)), records

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        """Of topics and journals."""
        return await self._reader.log_ids(partitions)

    async def read_schemas(self) -> Sequence[bytes]:
        """As collectors look them up."""
        return await self._reader.read_schemas()

    def decoder(self, book: SchemaBook) -> Decodes:
        """The collectors' own."""
        return Decoder(book)

    async def close(self) -> None:
        """Let go of files and connections."""
        await self._reader.close()


def open_origin(
    host: HostSettings,
    open_reader: Callable[[HostSettings], RangeReader] = lambda host: open_ranges(host, host.data_dir),
) -> LogOrigin:
    """The log that ``sluice.yaml`` names; connects with its first question."""
    servers = host.kafka.bootstrap_servers
    where = f"Kafka at {servers}" if servers else f"the journals below {host.data_dir}"
    return LogOrigin(open_reader(host), where, is_kafka=bool(servers))
