"""Reading and following the log, on journals and on a real Kafka: each record once, whatever befalls the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from collectors.operations.decoding import Shown
from collectors.operations.log import Log
from collectors.settings import HostSettings
from sluice.clock import now_micros
from sluice.eventlog.interface import EventLogError, OffsetLostError, Partition, PolledRecord, Record, StoredRecord
from sluice.eventlog.kafka.publisher import KafkaPublisher
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import TOPICS, make_record, numbered
from tests.collectors.operations.benches import log_of
from tests.contracts.eventlog_laws import JournalBench, exchanges, on_durable_logs
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import settings_for, topics_of

SECONDS = 20.0


def ids(records: Sequence[Shown]) -> list[str]:
    """Of the events."""
    return [each.event["event_id"] for each in records if each.event]


async def take(records: AsyncGenerator[Shown], count: int, seconds: float = SECONDS) -> list[Shown]:
    """So many of them."""
    async with asyncio.timeout(seconds):
        return [await anext(records) for _ in range(count)]


@on_durable_logs()
async def test_what_is_there_is_read_once_and_names_its_place(bench: JournalBench) -> None:
    """All of it, decoded, and each with the partition that it lies in."""
    made = exchanges(8)
    await bench.commit(made)
    log = log_of(bench)
    found = [each async for each in log.shown(await log.ranges(bench.events), bench.events)]
    assert sorted(ids(found)) == sorted(event.event_id for events in made for event in events)
    ranges = await log.ranges(bench.events)
    assert all(ranges[each.partition].first <= each.offset < ranges[each.partition].end for each in found)
    assert len({each.id for each in found}) == 24


@on_durable_logs()
async def test_what_comes_is_followed(bench: JournalBench) -> None:
    """From a moment on: nothing of before, each record once, in its partition's order, new journals' too."""
    await bench.commit(exchanges(3))
    await asyncio.sleep(0.05)  # append times have milliseconds
    moment = now_micros() // 1_000
    log, notes = log_of(bench), list[str]()
    made = exchanges(2)
    await bench.commit(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collectors.operations.log._LOOK_AROUND_SECONDS", 0.3)
        following = log.follow(bench.events, moment, notes.append)
        found = await take(following, 6)
        more = exchanges(2)
        await bench.commit(more, worker="w1")
        found += await take(following, 6)
    await following.aclose()
    assert sorted(ids(found)) == sorted(event.event_id for events in made + more for event in events)
    assert notes == []


class Reader:
    """A log that goes away as it is told: each call of ``ranges`` and ``read`` takes the next of its faults."""

    def __init__(self, records: list[StoredRecord], faults: list[Exception | None]) -> None:
        self.records, self.faults, self.opened, self.first = records, faults, 0, 0

    def open(self, _settings: HostSettings) -> Reader:
        self.opened += 1
        return self

    def _fail(self) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault

    async def ranges(self, topics: Collection[str]) -> Mapping[Partition, OffsetRange]:
        self._fail()
        return {Partition(topic, 0): OffsetRange(self.first, len(self.records)) for topic in topics}

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        return {}

    async def offsets_at(self, ranges: Mapping[Partition, OffsetRange], moment_ms: int) -> Mapping[Partition, int]:
        return {partition: found.end for partition, found in ranges.items()}

    async def read(
        self, ranges: Mapping[Partition, OffsetRange], topics: Collection[str]
    ) -> AsyncIterator[Sequence[PolledRecord]]:
        for found in ranges.values():
            for record in self.records[max(found.first, self.first) : found.end]:
                yield [record]
                self._fail()

    async def read_schemas(self) -> Sequence[bytes]:
        return []

    async def close(self) -> None:
        pass


TOPIC = TOPICS.event("analytics").name
AWAY = EventLogError("Kafka is away")


def follow(reader: Reader, notes: list[str]) -> AsyncGenerator[Shown]:
    """From the beginning."""
    log = Log(HostSettings(), open_reader=reader.open)
    return log.follow([TOPIC], 0, notes.append)


@pytest.mark.parametrize(
    "faults", [[AWAY], [None, AWAY, AWAY], [None, None, None, AWAY], [None, None, AWAY, None, AWAY, None, AWAY]]
)
async def test_a_log_that_goes_away_is_waited_for(
    faults: list[Exception | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it happens: each record is shown once, and that the log is away is said once, and that it is back."""
    monkeypatch.setattr("collectors.operations.log._WAIT_SECONDS", (0.0,))
    reader, notes = Reader(numbered([make_record() for _ in range(4)]), list(faults)), list[str]()
    following = follow(reader, notes)
    found = await take(following, 4)
    await following.aclose()
    assert [each.offset for each in found] == [0, 1, 2, 3]
    assert notes[0] == "Kafka is away; waiting"
    assert all("Kafka is away" in note for note in notes[::2])
    assert all("answers again" in note for note in notes[1::2])
    assert reader.opened == 1 + sum(fault is AWAY for fault in faults)


async def test_records_that_retention_took_are_said() -> None:
    """It goes on with what is there, and does not end in silence."""
    reader, notes = Reader(numbered([make_record() for _ in range(6)]), [None, None, None]), list[str]()
    following = follow(reader, notes)
    [first] = await take(following, 1)
    reader.first, reader.faults = 4, [OffsetLostError("begin later")]
    found = await take(following, 2)
    await following.aclose()
    assert [first.offset, *(each.offset for each in found)] == [0, 4, 5]
    assert notes == ["records were deleted before they were read: begin later"]


async def test_what_is_nobody_s_is_passed_over_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever follows a topic of few records does not read a whole journal again at each look."""
    bench = JournalBench(tmp_path, TOPICS)
    async with bench.stack:
        await bench.commit(exchanges(20))
        monkeypatch.setattr("collectors.operations.log._LOOK_AROUND_SECONDS", 1.0)
        log, read = log_of(bench), list[int]()
        inner = log.reader.read

        async def counting(
            ranges: Mapping[Partition, OffsetRange], topics: Collection[str]
        ) -> AsyncIterator[Sequence[PolledRecord]]:
            async for records in inner(ranges, topics):
                read.append(len(records))
                yield records

        log.reader.read = counting  # type: ignore[method-assign]
        following = log.follow([TOPICS.alert.name], 0, lambda _: None)
        async with asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(take(following, 1))
            await asyncio.sleep(0.7)
            await bench.publisher().publish([Record(TOPICS.alert.name, b"s", b"{}")])
            [found] = await taking
        await following.aclose()
    assert found.kind == "alert"
    assert sum(read) == 61


async def test_a_real_broker_s_restart_is_survived(kafka_server: Kafka, unique_name: str) -> None:
    """What was published before and after is shown once each, in order."""
    settings = settings_for(kafka_server, unique_name)
    host = HostSettings.model_validate({"kafka": settings.kafka.model_dump()})
    topic, notes = topics_of(settings).alert.name, list[str]()

    async def publish(*numbers: int) -> None:
        publisher = KafkaPublisher(settings, topics_of(settings))
        await publisher.publish([Record(topic, b"s", b'{"number": %d}' % number) for number in numbers])
        await publisher.close()

    await publish(1, 2)
    async with Log(host) as log:
        following = log.follow([topic], 0, notes.append)
        found = await take(following, 2)
        await asyncio.to_thread(kafka_server.kill)
        async with asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(take(following, 3, 60))
            await asyncio.to_thread(kafka_server.restart)
            await publish(3, 4, 5)
            found += await taking
        await following.aclose()
    assert [each.event and each.event["number"] for each in found] == [1, 2, 3, 4, 5]
    assert len(notes) <= 2, notes


async def test_a_topic_that_was_made_again_is_followed_from_its_beginning() -> None:
    """It ends before what was read of the old one: said once, and not asked for again and again."""
    reader, notes = Reader(numbered([make_record() for _ in range(6)]), []), list[str]()
    following = follow(reader, notes)
    await take(following, 6)
    reader.records, reader.faults = numbered([make_record() for _ in range(2)]), [OffsetLostError("out of range")]
    found = await take(following, 2)
    await following.aclose()
    assert [each.offset for each in found] == [0, 1]
    assert notes == ["records were deleted before they were read: out of range"]
