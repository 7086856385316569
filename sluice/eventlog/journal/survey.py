"""Looks at the journals of a host: what lies in them by topic, and how far behind each group's file is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import unquote

from schemas.topics import Topics
from sluice.eventlog.interface import Partition
from sluice.eventlog.journal.offsets import RELAY_GROUP, load_groups
from sluice.eventlog.journal.ranges import JournalRanges
from sluice.eventlog.journal.source import partition_of
from sluice.eventlog.places import all_journals
from sluice.eventlog.ranges import OffsetRange
from sluice.eventlog.settings import JournalSettings
from sluice.eventlog.survey import GroupLag, Survey, TopicFacts


class JournalSurveyor:
    """A ``Surveyor``. ``topics_of_group`` says what groups read; of one that is not in it all events are counted."""

    def __init__(
        self,
        data_dir: Path,
        topics: Topics,
        settings: JournalSettings,
        topics_of_group: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._topics = topics
        self._retention_ms = int(settings.retention_seconds * 1_000)
        self._topics_of_group = topics_of_group or {}

    async def topics(self) -> Survey:
        """Counted by reading all of it; the partitions of a topic are the journals that hold some of it."""
        names = [topic.name for topic in self._topics.all()]
        records: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        holders: Counter[str] = Counter()
        reader = JournalRanges(self._data_dir)
        for partition, found in (await reader.ranges(names)).items():
            held = set()
            async for part in reader.read({partition: found}, names):
                for record in part:
                    held.add(record.topic)
                    records[record.topic] += 1
                    sizes[record.topic] += len(record.value or b"")
            holders.update(held)
        return Survey(
            [
                TopicFacts(
                    topic.name,
                    topic.purpose,
                    exists=bool(holders[topic.name]),
                    partitions=holders[topic.name],
                    records=records[topic.name],
                    size_bytes=sizes[topic.name],
                    retention_ms=self._retention_ms,
                )
                for topic in self._topics.all()
            ]
        )

    async def create(self) -> list[str]:
        """Nothing: a topic is in a journal with its first record."""
        return []

    async def lag(self, group: str = "") -> list[GroupLag]:
        """Counted by reading what is behind each group's offset; the relay's is all there is."""
        reader = JournalRanges(self._data_dir)
        ends = await reader.ranges(())
        lags = []
        for directory in await asyncio.to_thread(all_journals, self._data_dir):
            partition = partition_of(directory)
            end = ends.get(partition, OffsetRange(0, 0))
            for name, committed in sorted((await asyncio.to_thread(load_groups, directory)).items()):
                if group in {"", unquote(name)}:
                    lags.append(await self._lag(reader, unquote(name), partition, committed.offset, end))
        return lags

    async def _lag(
        self, reader: JournalRanges, group: str, partition: Partition, next_offset: int, end: OffsetRange
    ) -> GroupLag:
        topics = self._topics_read_by(group)
        count, oldest = 0, None
        behind = OffsetRange(max(next_offset, end.first), end.end)
        async for part in reader.read({partition: behind}, topics):
            oldest = part[0].timestamp if oldest is None else oldest
            count += len(part)
        return GroupLag(
            group=group,
            partition=partition,
            topic=", ".join(sorted(topics)) if group in self._topics_of_group else "",
            next_offset=next_offset or None,
            records=count,
            oldest_at_ms=oldest,
            retention_ms=self._retention_ms,
        )

    def _topics_read_by(self, group: str) -> Collection[str]:
        if group == RELAY_GROUP:
            return [topic.name for topic in self._topics.all()]
        return self._topics_of_group.get(group, list(self._topics.events()))
