"""``sink://kafka``: records to another topic or cluster; at least once, each with its event's id in ``ce_id``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from collectors.deliveries import Frame
from collectors.errors import Halt, Unprocessable
from collectors.sinks.halving import absorb_at, write_runs
from collectors.sinks.interface import Prepared, Verdict
from collectors.sinks.kafka.records import records_of
from collectors.sinks.kafka.settings import KafkaSinkSettings
from collectors.sinks.kafka.target import cause_of, check_topics, refuse_loops
from schemas.events import Kind
from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.kafka.forwarder import Forwarder, OutgoingRecord, TooLargeError
from sluice.eventlog.settings import KafkaSettings

if TYPE_CHECKING:
    from collectors.entries import KafkaEntry
    from collectors.sinks.registry import SinkOpening

_ANY = -1
"""The partition of records without a key: those of a batch stay together, and the batch goes anywhere."""


class KafkaSink:
    """Records of an entry's kinds. ``own`` is the event log's Kafka, which may be none."""

    def __init__(self, settings: KafkaSinkSettings, kinds: Sequence[Kind], own: KafkaSettings) -> None:
        self._settings = settings
        self._own = own
        self._kafka = own if settings.cluster is None else settings.cluster.connection()
        self._topics = sorted({settings.topic_of(kind) for kind in kinds})
        self._forwarder = Forwarder(self._kafka, max(settings.max_batch_bytes, settings.max_record_bytes))

    async def start(self) -> None:
        """See that the topics are there, that they are not the log's own, and connect."""
        if not self._kafka.bootstrap_servers:
            reason = "the event log is no Kafka, and config.cluster is not set"
            raise Halt(reason, "set config.cluster.bootstrap_servers")
        own_topics = [topic.name for topic in Topics(self._own.namespace, self._own.partitions).all()]
        await refuse_loops(self._kafka, self._own, self._topics, own_topics)
        await check_topics(self._kafka, self._topics)
        try:
            await self._forwarder.start()
        except EventLogError as error:
            raise cause_of(error) from error

    async def check(self) -> None:
        """Ask for the topics, over a connection of its own: the other may not know yet that nobody answers."""
        await check_topics(self._kafka, self._topics)

    def prepare(self, frame: Frame) -> Prepared[OutgoingRecord]:
        """A record for every row; those above ``max_record_bytes`` are poison."""
        records, limit = records_of(frame, self._settings), self._settings.max_record_bytes
        error = Unprocessable("too_large", f"larger than max_record_bytes ({limit})")
        return Prepared(records, {at: error for at, record in enumerate(records) if record.size_bytes() > limit})

    async def write(self, documents: Sequence[OutgoingRecord]) -> Verdict:
        """Every partition's batches at once; those that are refused for their size again in halves, one by one."""
        verdict, refused = Verdict(), list[list[int]]()
        try:
            batches = await self._batches(documents)
        except EventLogError as error:
            verdict.postpone(range(len(documents)), cause_of(error))
            return verdict
        found = await asyncio.gather(*(self._send([documents[at] for at in batch]) for batch in batches))
        for positions, one in zip(batches, found, strict=True):
            if isinstance(one, Unprocessable):
                refused.append(positions)
            else:
                absorb_at(verdict, one, positions)
        verdict.absorb(await write_runs(documents, refused, self._send), 0)
        return verdict

    async def _batches(self, documents: Sequence[OutgoingRecord]) -> list[list[int]]:
        """Positions by partition, in runs that are no larger than a batch."""
        partitions = await self._forwarder.partitions(documents[0].topic) if documents else []
        limit, sizes = self._settings.max_batch_bytes, dict[int, int]()
        open_runs, runs = dict[int, list[int]](), list[list[int]]()
        for at, record in enumerate(documents):
            partition = _ANY if record.key is None else self._forwarder.partition_of(record.key, partitions)
            size = record.size_bytes()
            if partition not in open_runs or sizes[partition] + size > limit:
                open_runs[partition], sizes[partition] = [], 0
                runs.append(open_runs[partition])
            open_runs[partition].append(at)
            sizes[partition] += size
        return runs

    async def _send(self, records: Sequence[OutgoingRecord]) -> Verdict | Unprocessable:
        """One batch of one partition; why it was refused, where its size is at fault."""
        verdict = Verdict()
        try:
            partitions = await self._forwarder.partitions(records[0].topic)
            await self._forwarder.send(records, self._forwarder.partition_of(records[0].key, partitions))
        except TooLargeError:
            return Unprocessable("too_large", "larger than the topic takes (max.message.bytes)")
        except EventLogError as error:
            verdict.postpone(range(len(records)), cause_of(error))
        return verdict

    async def close(self) -> None:
        """Stop; what ``write`` returned for stays."""
        await self._forwarder.close()


def open_sink(entry: KafkaEntry, opening: SinkOpening) -> KafkaSink:
    """The sink of an entry."""
    return KafkaSink(entry.config, entry.hook_types, opening.host.kafka)
