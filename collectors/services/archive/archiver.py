"""The way of one hour.

1 which hour is next, and is it over   2 what of it is there already   3 read it from the log, partition by partition
4 files   5 schemas   6 manifest

The log keeps what is not archived yet, so nothing is held in memory while an hour lasts. Up to its manifest an hour can
be begun again at any point, by anybody: names that are taken keep their content, and the same records make the same
files. The manifest decides: what it does not name is no part of the archive.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from collectors.columns import Decoder
from collectors.errors import Halt
from collectors.jobs.interface import Origin
from collectors.services.archive.chain import Chain, Gap, Kept, kept_files
from collectors.services.archive.contents import DamagedFileError
from collectors.services.archive.files import Form, PartitionFiles, examine
from collectors.services.archive.layout import HOUR_MS, MANIFEST, SCHEMA_EXTENSION, SCHEMAS, Hour, folder_of
from collectors.services.archive.manifest import (
    FileFacts,
    Manifest,
    PartitionFacts,
    digest,
    encode,
    manifest_of,
    read_manifest,
)
from collectors.services.archive.places import Place, read
from schemas.codec import UndecodableError, split_frame
from schemas.events import Kind
from sluice.eventlog.interface import Partition, PolledRecord
from sluice.eventlog.ranges import OffsetRange

_log = structlog.get_logger(__name__)

_LATE_MS = 24 * HOUR_MS
"""After which late records open the next hour that is over, where nobody else does."""

_MEMORY_BYTES = 256 << 20
"""How many bytes of records the files that are being made may hold together: a partition has one of each topic."""
_NEAR, _FAR = 100, 1 << 62
"""Offsets among which a first record is looked for."""

Ranges = Mapping[Partition, OffsetRange]


class Notes(Protocol):
    """Told what happens."""

    def archived(self, topic: str, records: int, size_bytes: int) -> None:
        """An hour of a topic is complete."""
        ...

    def lost(self, topic: str, where: str, gap: Gap) -> None:
        """The log had deleted these offsets before they were archived."""
        ...

    def another_log(self, topic: str, where: str, epoch: int) -> None:
        """The log was made anew: what it had since the last hour was archived is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Log:
    """What is archived. ``topics``: each with the kind of its events, or ``None``."""

    origin: Origin
    topics: Mapping[str, Kind | None]
    is_kafka: bool

    def has(self, topic: str, partition: Partition) -> bool:
        """Whether records of a topic can lie in a partition: a journal has all of them."""
        return not self.is_kafka or partition.topic == topic


class _Work(NamedTuple):
    """One partition of one topic in the hour."""

    chain: Chain
    facts: PartitionFacts
    kept: list[Kept]
    gaps: list[Gap]
    files: PartitionFiles
    start: int


@dataclass(slots=True)
class _TopicHour:
    """What becomes a manifest."""

    chain: Chain
    partitions: list[PartitionFacts] = field(default_factory=list)
    files: list[FileFacts] = field(default_factory=list)


class Archiver:
    """Archives the hours of a log that are over. Used from one loop; what blocks runs in threads."""

    def __init__(
        self,
        log: Log,
        place: Place,
        form: Form,
        decoder: Decoder,
        notes: Notes,
        *,
        grace_ms: int,
        clock_ms: Callable[[], int],
    ) -> None:
        self._log = log
        self._place = place
        self._form = form
        self._decoder = decoder
        self._notes = notes
        self._grace_ms = grace_ms
        self._clock_ms = clock_ms
        self._unknown: set[bytes] = set()
        self._at_once = max(1, _MEMORY_BYTES // form.max_bytes) if log.is_kafka else 1
        self.chains: dict[str, Chain] = {}
        self._told: set[tuple[str, Partition, Gap]] = set()
        self._ids: Mapping[Partition, str] = {}

    async def load(self) -> None:
        """See how far the archive goes; raises Halt where its newest manifest is damaged."""
        try:
            for topic, kind in self._log.topics.items():
                self.chains[topic] = await asyncio.to_thread(Chain.load, self._place, topic, kind)
        except DamagedFileError as error:
            remedy = "restore that file; sluice archive verify shows what else is wrong"
            raise Halt(f"archive {self._place.where}: {error}", remedy) from error

    async def next_hour(self) -> tuple[Hour, Ranges] | None:
        """The next hour that has records and is over, and what the log has now; ``None`` where there is none."""
        now_ms = self._clock_ms()
        ranges = await self._log.origin.ranges(list(self._log.topics))
        await self._notice_other_logs(ranges)
        first = self._earliest()
        if first is not None and not await self._is_over(first, ranges, now_ms):
            return None
        hour = await self._first_with_records(ranges, now_ms)
        if hour is None or not await self._is_over(hour, ranges, now_ms):
            return None
        return hour, ranges

    def _earliest(self) -> Hour | None:
        """The earliest hour that could be next; ``None`` where it may be any."""
        return _after_all(list(self.chains.values()))

    async def _is_over(self, hour: Hour, ranges: Ranges, now_ms: int) -> bool:
        """By the clock of this host, or by what the log itself says."""
        due_ms = hour.end_ms + self._grace_ms
        if now_ms >= due_ms:
            return True
        later = await self._log.origin.offsets_at(ranges, due_ms)
        return any(later[partition] < found.end for partition, found in ranges.items())

    async def _first_with_records(self, ranges: Ranges, now_ms: int) -> Hour | None:
        """Of what is not archived. Late records wait for an hour that others open, but not for more than a day."""
        since = {partition: _after_all(self._chains_of(partition)) for partition in ranges}
        left = {partition: self._left(partition, found) for partition, found in ranges.items()}
        news = dict(left)
        for hour in {each for each in since.values() if each is not None}:
            asked = {partition: left[partition] for partition in ranges if since[partition] == hour}
            for partition, at in (await self._log.origin.offsets_at(asked, hour.start_ms)).items():
                news[partition] = OffsetRange(at, left[partition].end)
        hours = [
            max(Hour.of_ms(record.timestamp), since[partition] or Hour(0))
            for partition, record in (await self._first_records(news, list(self._log.topics))).items()
        ]
        if hours:
            return min(hours)
        late = {partition: OffsetRange(left[partition].first, news[partition].first) for partition in ranges}
        return await self._first_late(late, since, now_ms)

    def _left(self, partition: Partition, found: OffsetRange) -> OffsetRange:
        scanned = min(chain.scanned.get(partition, found.first) for chain in self._chains_of(partition))
        return OffsetRange(min(max(found.first, scanned), found.end), found.end)

    async def _first_late(self, late: Ranges, since: Mapping[Partition, Hour | None], now_ms: int) -> Hour | None:
        """The hour that records from before it, which wait for a day already, have to open."""
        hours = []
        for chain in self.chains.values():
            asked = {
                partition: OffsetRange(max(found.first, chain.scanned.get(partition, found.first)), found.end)
                for partition, found in late.items()
                if self._log.has(chain.topic, partition)
            }
            for partition, record in (await self._first_records(asked, [chain.topic])).items():
                hour = since[partition]
                if hour is not None and now_ms - record.timestamp >= _LATE_MS:
                    hours.append(hour)
        return min(hours, default=None)

    def _chains_of(self, partition: Partition) -> list[Chain]:
        return [chain for chain in self.chains.values() if self._log.has(chain.topic, partition)]

    async def _first_records(self, ranges: Ranges, topics: Sequence[str]) -> dict[Partition, PolledRecord]:
        """The first record of each range that has one. Looked for near its beginning first: what follows is no use."""
        found: dict[Partition, PolledRecord] = {}
        for span in (_NEAR, _FAR):
            asked = {
                partition: OffsetRange(wanted.first, min(wanted.end, wanted.first + span))
                for partition, wanted in ranges.items()
                if not wanted.is_empty and partition not in found
            }
            reading = self._log.origin.read(asked, topics)
            try:
                async for partition, records in reading if asked else _nothing():
                    found.setdefault(partition, records[0])
                    if asked.keys() <= found.keys():
                        break
            finally:
                await reading.aclose()
        return found

    async def _notice_other_logs(self, ranges: Ranges) -> None:
        """A log with another id, whose end lies before ours, or whose record is not the one that we archived last, is
        another one; so it is for every topic in it. So is a journal that has no record there: one that was put back
        from a copy has the id that it had."""
        self._ids = await self._log.origin.log_ids(ranges)
        others: set[Partition] = set()
        for chain in self.chains.values():
            known = {each: facts for each, facts in chain.partitions.items() if each in ranges}
            others |= {each for each, facts in known.items() if ranges[each].end < facts.end}
            others |= {
                each for each, facts in known.items() if facts.log and self._ids.get(each, facts.log) != facts.log
            }
            lasts = {
                each: OffsetRange(facts.last, facts.last + 1)
                for each, facts in known.items()
                if each not in chain.checked and facts.last is not None and ranges[each].first <= facts.last
            }
            chain.checked |= lasts.keys()
            asked = {each: last for each, last in lasts.items() if last.first < ranges[each].end}
            records = await self._first_records(asked, [chain.topic])
            others |= {each for each, record in records.items() if record.timestamp != known[each].last_ms}
            if not self._log.is_kafka:  # which compacts: what is not there tells nothing
                others |= asked.keys() - records.keys()
        for partition in others:
            self._begin_epoch(partition, ranges[partition])

    def _begin_epoch(self, partition: Partition, found: OffsetRange) -> None:
        for chain in self._chains_of(partition):
            chain.scanned.pop(partition, None)
            if partition in chain.partitions:
                chain.begin_epoch(partition, found)
                self._notes.another_log(chain.topic, _name(partition), chain.partitions[partition].epoch)

    async def archive(self, hour: Hour, ranges: Ranges) -> None:
        """One hour that is over, of every topic that has it still to come."""
        topics = {
            chain.topic: _TopicHour(chain)
            for chain in self.chains.values()
            if chain.done is None or chain.done.number < hour.number
        }
        names = {topic: await asyncio.to_thread(self._names, topic, hour) for topic in topics}
        wanted = [partition for partition in ranges if any(self._log.has(topic, partition) for topic in topics)]
        for start in range(0, len(wanted), self._at_once):
            works = [
                self._work(each.chain, hour, partition, ranges[partition], names[topic])
                for partition in wanted[start : start + self._at_once]
                for topic, each in topics.items()
                if self._log.has(topic, partition)
            ]
            await self._partitions(topics, works, hour, ranges)
        for each in topics.values():
            await asyncio.to_thread(self._complete, each, hour)
            for partition in ranges:
                if self._log.has(each.chain.topic, partition):
                    each.chain.checked.add(partition)

    def _names(self, topic: str, hour: Hour) -> Sequence[str]:
        path = folder_of(topic, hour)
        return list(self._place.files(path))

    def _work(self, chain: Chain, hour: Hour, partition: Partition, found: OffsetRange, names: Sequence[str]) -> _Work:
        facts = chain.begin(partition, found, names)
        looked = max(facts.begin, chain.scanned.get(partition, 0))
        kept, gaps, at = kept_files(names, chain.topic, facts, OffsetRange(looked, found.first))
        for gap in gaps:
            if (chain.topic, partition, gap) not in self._told:
                self._told.add((chain.topic, partition, gap))
                self._notes.lost(chain.topic, _name(partition), gap)
        files = PartitionFiles(
            self._place, chain.topic, chain.kind, hour, partition, facts.epoch, at, self._form, self._decoder
        )
        return _Work(chain, facts, kept, gaps, files, max(at, looked))

    async def _partitions(
        self, topics: Mapping[str, _TopicHour], works: Sequence[_Work], hour: Hour, ranges: Ranges
    ) -> None:
        """Read what is left of them in the hour, once for all topics, and end their files there."""
        by_place = {(work.facts.partition, work.chain.topic): work for work in works}
        left: dict[Partition, OffsetRange] = {}
        for work in works:
            partition = work.facts.partition
            first = min(work.start, left[partition].first if partition in left else work.start)
            left[partition] = OffsetRange(first, max(first, ranges[partition].end))
        limits = await self._log.origin.offsets_at(left, hour.end_ms)
        part = {each: OffsetRange(wanted.first, limits[each]) for each, wanted in left.items()}
        part = {each: wanted for each, wanted in part.items() if not wanted.is_empty}
        if part:
            async for partition, records in self._log.origin.read(part, list(topics)):
                await self._learn(records, topics)
                await asyncio.to_thread(_route, partition, records, by_place)
        for work in works:
            await asyncio.to_thread(work.files.end)
            topic = topics[work.chain.topic]
            for kept in work.kept:
                topic.files.append(await asyncio.to_thread(self._examined, work.chain, hour, kept.name))
            topic.files += work.files.files
            end = max(limits[work.facts.partition], work.files.first)
            facts = _ended(work, end, topic.files)
            log_id = self._ids.get(facts.partition, facts.log)
            topic.partitions.append(msgspec.structs.replace(facts, log=log_id))

    def _examined(self, chain: Chain, hour: Hour, name: str) -> FileFacts:
        path = folder_of(chain.topic, hour)
        try:
            return examine(self._place, path, name, chain.kind, self._decoder)
        except (DamagedFileError, FileNotFoundError) as error:
            what = f"archive {self._place.where}: {path}/{name} {error}"
            raise Halt(what, "remove that file: the log still has its records, and it is written again") from error

    async def _learn(self, records: Sequence[PolledRecord], topics: Mapping[str, _TopicHour]) -> None:
        """Look schemas up that turn up for the first time; what nobody published is archived as it is."""
        unknown = set()
        for record in records:
            if record.topic not in topics or topics[record.topic].chain.kind is None:
                continue
            try:
                unknown.add(split_frame(record.value))
            except UndecodableError:
                continue
        unknown = {key for key in unknown if key not in self._decoder.book} - self._unknown
        if not unknown:
            return
        for text in await self._log.origin.read_schemas():
            try:
                self._decoder.book.learn(text)
            except UndecodableError:
                continue
        self._unknown |= {key for key in unknown if key not in self._decoder.book}

    def _complete(self, found: _TopicHour, hour: Hour) -> None:
        """Steps 5 and 6; an hour without a record and without a gap has no manifest."""
        chain = found.chain
        for partition in found.partitions:
            chain.scanned[partition.partition] = max(chain.scanned.get(partition.partition, 0), partition.end)
        if not found.files and not any(each.gap for each in found.partitions):
            chain.done = hour
            return
        seen = {each.partition for each in found.partitions}
        absent = [chain.begin(each, OffsetRange(0, 0)) for each in chain.partitions if each not in seen]
        partitions = [*chain.carried(), *absent, *found.partitions]
        manifest = manifest_of(chain.topic, hour, chain.previous, partitions, found.files)
        manifest = msgspec.structs.replace(manifest, schema_sha256=self._put_schemas(manifest))
        self._put_manifest(chain, hour, manifest)
        for path in ("", SCHEMAS, folder_of(chain.topic, hour)):
            self._place.tidy(path)

    def _put_schemas(self, manifest: Manifest) -> dict[str, str]:
        """Their checksums: of what lies there, as another version of us may have written the same schema otherwise."""
        sums = {}
        for key in manifest.schemas:
            name, text = f"{key}{SCHEMA_EXTENSION}", self._decoder.book.text(bytes.fromhex(key))
            if not self._place.put(SCHEMAS, name, text):
                text = read(self._place, SCHEMAS, name) or text
            sums[key] = digest(text)
        return sums

    def _put_manifest(self, chain: Chain, hour: Hour, manifest: Manifest) -> None:
        text = encode(manifest)
        path = folder_of(chain.topic, hour)
        if self._place.put(path, MANIFEST, text):
            chain.take((manifest, digest(text)))
            self._notes.archived(chain.topic, manifest.records, manifest.size_bytes)
            return
        try:
            theirs = read_manifest(self._place, chain.topic, hour)
        except DamagedFileError as error:
            raise Halt(f"archive {self._place.where}: {path}/{MANIFEST} {error}", "restore that file") from error
        assert theirs is not None  # noqa: S101 - its name was taken
        _log.info("another archiver completed the hour", topic=chain.topic, hour=str(hour))
        named = {each.name for each in theirs[0].files}
        for each in manifest.files:
            if each.name not in named:
                self._place.remove(path, each.name)
        chain.scanned = {}
        chain.take(theirs)


def _after_all(chains: Sequence[Chain]) -> Hour | None:
    """The hour after the one that all of them have; ``None`` where one of them has none yet."""
    done = [chain.done for chain in chains]
    known = [each for each in done if each is not None]
    return min(known).next if known and len(known) == len(done) else None


async def _nothing() -> AsyncIterator[tuple[Partition, Sequence[PolledRecord]]]:
    return
    yield


def _route(partition: Partition, records: Sequence[PolledRecord], works: Mapping[tuple[Partition, str], _Work]) -> None:
    groups: dict[str, list[PolledRecord]] = {}
    for record in records:
        groups.setdefault(record.topic, []).append(record)
    for topic, group in groups.items():
        works[partition, topic].files.add(group)


def _ended(work: _Work, end: int, files: Sequence[FileFacts]) -> PartitionFacts:
    """How far the partition is archived with the hour; ``files`` are the topic's, this partition's last."""
    own = [each for each in files if each.named.partition == work.facts.partition]
    changes: dict[str, Any] = {"end": end, "gap": tuple(work.gaps)}
    if own:
        newest = max(own, key=lambda each: each.named.first)
        changes |= {"last": newest.named.last, "last_ms": newest.last_record_ms}
    return msgspec.structs.replace(work.facts, **changes)


def _name(partition: Partition) -> str:
    return f"{partition.topic}/{partition.partition}"
