"""Archives for tests: a log that says what it is told to, a folder, a clock that is turned by hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from collectors.alerts import Alerts
from collectors.columns import Decoder
from collectors.jobs.interface import Decodes, Ranges
from collectors.services.archive.contents import FormatName, read_records
from collectors.services.archive.layout import HOUR_MS, Hour, folder_of
from collectors.services.archive.manifest import hours_of, read_manifest
from collectors.services.archive.places import FolderPlace
from collectors.services.archive.service import Archive, NoMeter
from collectors.services.archive.settings import ArchiveSettings
from collectors.services.archive.verify import Problem, Verifier, topics_at
from collectors.settings import HostSettings
from schemas.cloudevents import cloudevent_headers
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from schemas.topics import Topics
from sluice.eventlog.interface import OffsetLostError, Partition, PolledRecord, Record, StoredRecord
from sluice.eventlog.ranges import OffsetRange
from sluice.eventlog.settings import KafkaSettings
from tests.collectors.events import make_event

HOUR = Hour(490_000)
"""An hour of 2025."""
TOPICS = Topics("t", 2)


@dataclass
class ScriptedLog:
    """An ``Origin`` as Kafka's: partitions of topics, append times as they are given."""

    records: dict[Partition, list[StoredRecord]] = field(default_factory=dict)
    firsts: dict[Partition, int] = field(default_factory=dict)
    ends: dict[Partition, int] = field(default_factory=dict)
    ids: dict[Partition, str] = field(default_factory=dict)
    batch: int = 7
    fails: Callable[[str], None] = lambda _what: None
    reads: list[tuple[Partition, OffsetRange]] = field(default_factory=list)
    yields: bool = False
    """Whether others have a turn between batches."""
    where = "a scripted log"
    has_originals = True

    def add(self, kind: Kind, partition: int, at_ms: Iterable[int], **changes: Any) -> list[StoredRecord]:
        """Events appended at these moments."""
        topic = TOPICS.event(kind).name
        made = []
        for time in at_ms:
            event = make_event(kind, **changes)
            headers = list(cloudevent_headers(topic, event.event_id, "gw-1", event.occurred_at))
            made.append(self.put(topic, partition, time, event.value(1), headers, event.exchange_id.encode()))
        return made

    def put(
        self,
        topic: str,
        number: int,
        time: int,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        key: bytes | None = b"key",
    ) -> StoredRecord:
        """Anything at all."""
        partition = Partition(topic, number)
        offset = self.end(partition)
        record = StoredRecord(topic, number, offset, time, key, value, headers)
        self.records.setdefault(partition, []).append(record)
        self.ends[partition] = offset + 1
        return record

    def end(self, partition: Partition) -> int:
        return self.ends.get(partition, 0)

    def lose(self, partition: Partition, before: int) -> None:
        """As retention does."""
        self.firsts[partition] = before
        self.records[partition] = [each for each in self.records[partition] if each.offset >= before]

    @property
    def all(self) -> list[StoredRecord]:
        return [record for records in self.records.values() for record in records]

    async def ranges(self, topics: Collection[str]) -> Ranges:
        self.fails("ranges")
        return {
            each: OffsetRange(self.firsts.get(each, 0), self.ends[each]) for each in self.ends if each.topic in topics
        }

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        return {each: self.ids[each] for each in partitions if each in self.ids}

    async def offsets_at(self, ranges: Ranges, moment_ms: int) -> Mapping[Partition, int]:
        return {
            partition: next(
                (
                    each.offset
                    for each in self.records.get(partition, ())
                    if each.timestamp >= moment_ms and wanted.first <= each.offset < wanted.end
                ),
                wanted.end,
            )
            for partition, wanted in ranges.items()
        }

    async def lost(self, ranges: Ranges) -> Mapping[Partition, int]:
        return {}

    async def read(
        self, ranges: Ranges, topics: Collection[str]
    ) -> AsyncGenerator[tuple[Partition, Sequence[PolledRecord]], None]:
        for partition, wanted in ranges.items():
            self.reads.append((partition, wanted))
            self.fails("read")
            if wanted.first < self.firsts.get(partition, 0):
                raise OffsetLostError("retention deleted records that were still to be read; begin later")
            found = [
                each
                for each in self.records.get(partition, ())
                if wanted.first <= each.offset < wanted.end and each.topic in topics
            ]
            for start in range(0, len(found), self.batch):
                self.fails("batch")
                if self.yields:
                    await asyncio.sleep(0)
                yield partition, found[start : start + self.batch]

    async def read_schemas(self) -> Sequence[bytes]:
        return ()

    def decoder(self, book: SchemaBook) -> Decodes:
        return Decoder(book)

    async def close(self) -> None:
        pass


def filled(log: ScriptedLog, hours: int, each: int = 20) -> None:
    """Events of all kinds in two partitions, so many an hour."""
    for hour in range(hours):
        start = HOUR.start_ms + hour * HOUR_MS
        for kind in KINDS:
            for partition in (0, 1):
                log.add(kind, partition, [start + at * 60_000 for at in range(each)])


class CountingMeter(NoMeter):
    """Remembers."""

    def __init__(self) -> None:
        self.gaps: Counter[str] = Counter()
        self.records: Counter[str] = Counter()
        self.waits: list[float] = []
        self.enough: Callable[[list[float]], bool] = lambda _waits: False
        self.reached = asyncio.Event()

    def archived(self, topic: str, records: int, size_bytes: int) -> None:
        self.records[topic] += records

    def lost(self, topic: str, offsets: int) -> None:
        self.gaps[topic] += offsets

    def well(self) -> None:
        self.failed(0.0)

    def failed(self, waiting_seconds: float) -> None:
        self.waits.append(waiting_seconds)
        if self.enough(self.waits):
            self.reached.set()


class Published:
    """A ``Publisher`` that remembers."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def publish(self, records: Sequence[Record]) -> None:
        self.records += records

    async def close(self) -> None:
        pass

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return [orjson.loads(each.value or b"") for each in self.records]


class Bench:
    """One archive of one log."""

    def __init__(self, folder: Path, log: ScriptedLog | None = None, **settings: Any) -> None:
        self.folder = folder / "archive"
        self.data_dir = folder / "data"
        self.log = log or ScriptedLog()
        self.published = Published()
        self.now_ms = HOUR.start_ms
        self.meter = CountingMeter()
        self.cluster = "one"
        place = {} if "s3" in settings else {"folder": str(self.folder)}
        self.settings = ArchiveSettings.model_validate(place | settings)
        self.host = HostSettings.model_validate(
            {"data_dir": str(self.data_dir), "kafka": {"namespace": "t", "bootstrap_servers": "localhost:1"}}
        )

    @property
    def service(self) -> Archive:
        return Archive(
            self.settings,
            self.host,
            Path("/"),
            meter=self.meter,
            clock=lambda: self.now_ms * 1_000,
            open_log=lambda _host: self.log,
            name_cluster=self.name_cluster,
        )

    async def name_cluster(self, _kafka: KafkaSettings) -> str:
        return self.cluster

    async def sweep(self) -> int:
        """Archive what is over; how many hours that were."""
        alerts = Alerts(self.published, "t.alert.v1", "archive", lambda: self.now_ms * 1_000)
        count = await self.service.sweep(alerts)
        await alerts.flush()
        return count

    async def sweep_all(self) -> int:
        """As the clock stands more than a day after the last record."""
        self.now_ms = max((each.timestamp for each in self.log.all), default=HOUR.start_ms) + 26 * HOUR_MS
        return await self.sweep()

    def files(self, pattern: str = "**/*") -> list[Path]:
        """Of the archive, finished or not."""
        return sorted(path for path in self.folder.glob(pattern) if path.is_file())


def facts(record: PolledRecord) -> tuple[Any, ...]:
    """All that a record is."""
    return (
        record.topic, record.partition, record.offset, record.timestamp, record.key, record.value,
        [(name, value) for name, value in record.headers],
    )  # fmt: skip


def in_order(records: Iterable[PolledRecord]) -> list[tuple[Any, ...]]:
    """By topic, partition and offset."""
    return sorted((facts(record) for record in records), key=lambda each: each[:3])


def archived_of(bench: Bench) -> list[PolledRecord]:
    """Every record that the files named in manifests have."""
    found: list[PolledRecord] = []
    place = FolderPlace(bench.folder)
    for topic in topics_at(place):
        for hour in hours_of(place, topic):
            manifest = read_manifest(place, topic, hour)
            for each in manifest[0].files if manifest else ():
                path = bench.folder / folder_of(topic, hour) / each.name
                for records in read_records(path, each.name, topic, each.named.partition):
                    found += records
    return found


def problems_of(bench: Bench) -> list[Problem]:
    """What verify says."""
    place = FolderPlace(bench.folder)
    return Verifier(place).verify(topics_at(place)).problems


FORMS: tuple[tuple[FormatName, str], ...] = (
    ("parquet", "zstd"),
    ("parquet", "none"),
    ("jsonl", "gzip"),
    ("jsonl", "zstd"),
    ("jsonl", "none"),
)
