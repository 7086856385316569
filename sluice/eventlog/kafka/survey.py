"""Looks at Kafka's topics and groups over the admin API, and at the log itself in no group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from schemas.topics import Topic, Topics
from sluice.eventlog.interface import Partition
from sluice.eventlog.kafka.admin import admin_of, configs_of, ensure_topics
from sluice.eventlog.kafka.ranges import KafkaRanges
from sluice.eventlog.kafka.rights import lacks
from sluice.eventlog.ranges import OffsetRange
from sluice.eventlog.settings import LogSettings
from sluice.eventlog.survey import GroupLag, Survey, TopicFacts


class KafkaSurveyor:
    """A ``Surveyor``."""

    def __init__(self, settings: LogSettings, topics: Topics) -> None:
        self._settings = settings
        self._topics = topics

    async def topics(self) -> Survey:
        """With the settings in which they differ from those that we would make."""
        wanted = self._topics.all()
        async with admin_of(self._settings.kafka) as admin:
            existing = set(await admin.list_topics())
            present = [topic for topic in wanted if topic.name in existing]
            partitions = await _partitions(admin, present)
            configs, denied = await configs_of(admin, present)
        survey = Survey()
        if denied:
            survey.problems.append(lacks(self._settings.kafka, "DescribeConfigs", "topic", denied))
        spans = await self._spans(present)
        for topic in wanted:
            found, count = configs.get(topic.name), partitions.get(topic.name)
            survey.topics.append(
                TopicFacts(
                    name=topic.name,
                    purpose=topic.purpose,
                    exists=topic.name in existing,
                    partitions=count,
                    records=spans.get(topic.name),
                    retention_ms=topic.retention_ms if found is None else _retention(found),
                    differences=self._differences(topic, found, count),
                )
            )
        return survey

    async def _spans(self, present: Sequence[Topic]) -> dict[str, int]:
        reader = KafkaRanges(self._settings, self._topics)
        try:
            ranges = await reader.ranges([topic.name for topic in present])
        finally:
            await reader.close()
        spans = dict.fromkeys((topic.name for topic in present), 0)
        for partition, found in ranges.items():
            spans[partition.topic] += found.end - found.first
        return spans

    def _differences(self, topic: Topic, found: Mapping[str, str] | None, partitions: int | None) -> tuple[str, ...]:
        if found is None:
            return ()
        factor, in_sync = self._settings.kafka.replication
        wanted = {**topic.settings(), "min.insync.replicas": str(in_sync if factor > 1 else 1)}
        different = [
            f"{name} is {found[name]}, not {value}"
            for name, value in wanted.items()
            if name in found and found[name] != value
        ]
        if partitions is not None and partitions != topic.partitions:
            different.insert(0, f"partitions is {partitions}, not {topic.partitions}")
        return tuple(different)

    async def create(self) -> list[str]:
        """As a gateway would when it starts."""
        return await ensure_topics(self._settings, self._topics)

    async def lag(self, group: str = "") -> list[GroupLag]:
        """What is committed, compared with the log's ends; one record is read of each partition that waits."""
        ours = {topic.name: topic for topic in self._topics.all()}
        async with admin_of(self._settings.kafka) as admin:
            committed = await self._committed(admin, group, ours)
            configs, _ = await configs_of(admin, [topic for topic in ours.values() if _is_read(topic, committed)])
        reader = KafkaRanges(self._settings, self._topics)
        try:
            lags: list[GroupLag] = []
            for name, offsets in sorted(committed.items()):
                lags += await self._lag_of(reader, name, offsets, configs)
        finally:
            await reader.close()
        return lags

    async def _committed(
        self, admin: AIOKafkaAdminClient, group: str, ours: Mapping[str, Topic]
    ) -> dict[str, dict[Partition, int]]:
        """The offsets of every group that has some of our topics."""
        names = [group] if group else sorted({name for name, *_ in await admin.list_consumer_groups()})
        found = {}
        for name in names:
            offsets = {
                Partition(*partition): each.offset
                for partition, each in (await admin.list_consumer_group_offsets(name)).items()
                if partition.topic in ours and each.offset >= 0
            }
            if offsets:
                found[name] = offsets
        return found

    async def _lag_of(
        self,
        reader: KafkaRanges,
        group: str,
        committed: Mapping[Partition, int],
        configs: Mapping[str, Mapping[str, str]],
    ) -> list[GroupLag]:
        topics = {partition.topic for partition in committed}
        ranges = await reader.ranges(topics)
        waiting = {}
        for partition, found in ranges.items():
            first = max(committed.get(partition, found.first), found.first)
            waiting[partition] = OffsetRange(first, max(first, found.end))
        oldest = await self._oldest(reader, {each: found for each, found in waiting.items() if not found.is_empty})
        return [
            GroupLag(
                group=group,
                partition=partition,
                topic=partition.topic,
                next_offset=committed.get(partition),
                records=found.end - found.first,
                oldest_at_ms=oldest.get(partition),
                retention_ms=_retention(configs.get(partition.topic, {})),
            )
            for partition, found in sorted(waiting.items())
        ]

    async def _oldest(self, reader: KafkaRanges, waiting: Mapping[Partition, OffsetRange]) -> dict[Partition, int]:
        """When the first record of each range was appended; none where only marks of transactions are."""
        oldest: dict[Partition, int] = {}
        records: Any = reader.read(waiting, {partition.topic for partition in waiting})
        try:
            async for part in records:
                oldest.setdefault(Partition(part[0].topic, part[0].partition), part[0].timestamp)
                if len(oldest) == len(waiting):
                    break
        finally:
            await records.aclose()
        return oldest


async def _partitions(admin: AIOKafkaAdminClient, present: Sequence[Topic]) -> dict[str, int]:
    answers: list[dict[str, Any]] = await admin.describe_topics([topic.name for topic in present]) if present else []
    return {answer["topic"]: len(answer["partitions"]) for answer in answers if not answer["error_code"]}


def _is_read(topic: Topic, committed: Mapping[str, Mapping[Partition, int]]) -> bool:
    return any(partition.topic == topic.name for offsets in committed.values() for partition in offsets)


def _retention(config: Mapping[str, str]) -> int | None:
    """Of a topic that deletes by age."""
    if "delete" not in config.get("cleanup.policy", ""):
        return None
    age = int(config.get("retention.ms") or -1)
    return age if age >= 0 else None
