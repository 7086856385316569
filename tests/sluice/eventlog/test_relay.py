"""The relay, on a real Kafka: everything that the journal holds arrives, whatever happens to the broker or to us."""

from __future__ import annotations

import asyncio
import base64
import random
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.codec import SchemaBook, published_schemas
from schemas.topics import Topics
from sluice.dev.servers.ports import free_port
from sluice.eventlog.interface import EventLogError, Record
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.offsets import RELAY_GROUP, load_offset, offset_path
from sluice.eventlog.kafka.batches import BatchProducer
from sluice.eventlog.relay import _GROWN_RECORDS, REFUSED_FILE, Relay
from sluice.eventlog.settings import JournalSettings, LogSettings
from tests.servers import Kafka
from tests.sluice.eventlog.journal.making import BOOT, exchange, ids_of
from tests.sluice.eventlog.kafka.reading import make_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SECONDS = 40.0


def settings_for(bootstrap: str, namespace: str, **relay: Any) -> LogSettings:
    """One broker, few partitions, quick failures, and short rounds unless told otherwise."""
    kafka = {"bootstrap_servers": bootstrap, "single_broker": True, "namespace": namespace, "partitions": 2}
    return LogSettings.model_validate(
        {"kafka": {**kafka, "request_timeout_seconds": 3}, "relay": {"linger_seconds": 0.1, **relay}}
    )


def topics_of(settings: LogSettings) -> Topics:
    """The namespace's topics."""
    return Topics(settings.kafka.namespace, settings.kafka.partitions)


def journal_at(directory: Path, settings: LogSettings) -> Journal:
    """A begun journal in front of Kafka."""
    journal = Journal(directory, JournalSettings(), topics_of(settings), embedded=False)
    journal.begin(BOOT)
    return journal


@asynccontextmanager
async def running(directory: Path, settings: LogSettings, journal: Journal | None = None) -> AsyncIterator[Relay]:
    """A relay at work."""
    relay = Relay(directory, settings, topics_of(settings), "gateway-1")
    if journal is not None:
        relay.attach(journal)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(relay.run())
        yield relay
        task.cancel()


async def everything(settings: LogSettings) -> dict[str, list[Any]]:
    """All records of all topics of the namespace."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    found: dict[str, list[Any]] = {}
    try:
        for topic in topics_of(settings).all():
            partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            for partition in partitions:
                await consumer.seek_to_beginning(partition)
            records: list[Any] = []
            while sum(ends.values()) > len(records):
                for batch in (await consumer.getmany(timeout_ms=1000)).values():
                    records += batch
            found[topic.name] = records
    finally:
        await consumer.stop()
    return found


def event_ids(found: dict[str, list[Any]], settings: LogSettings) -> Counter[str]:
    """How often each event id is in the topics."""
    names = topics_of(settings).events()
    return Counter(dict(record.headers)["ce_id"].decode() for name in names for record in found[name])


async def test_events_arrive_whole(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """Each event in its topic, keyed, with CloudEvents headers, decodable by the schemas in the schema topic."""
    settings = settings_for(kafka_server.bootstrap_servers, unique_name)
    journal = journal_at(tmp_path, settings)
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    exchanges = [exchange(traceparent), *(exchange() for _ in range(50))]
    async with running(tmp_path, settings, journal) as relay:
        offsets = await asyncio.gather(*(journal.append(events) for events in exchanges))
        report = Record(topics_of(settings).gateway_report.name, b"gateway-1", b"{}")
        await journal.append_records([report])
        async with asyncio.timeout(SECONDS):
            await relay.wait_for(offsets[-1])
        assert await relay.drain(SECONDS)
        assert relay.lag_records == 0
        assert relay.is_acknowledging
    await journal.close()
    found = await everything(settings)
    assert event_ids(found, settings) == Counter(ids_of(exchanges))
    assert [record.value for record in found[report.topic]] == [b"{}"]
    schemas = {(record.key, record.value) for record in found[topics_of(settings).schema.name]}
    assert schemas == set(published_schemas())
    book = SchemaBook()
    for name, kind in topics_of(settings).events().items():
        for record in found[name]:
            headers = dict(record.headers)
            assert record.timestamp_type == 1, "the log's own append time"
            assert book.decode(record.value)[0] == kind
            assert headers["ce_id"].decode()[:36] == record.key.decode()
            assert (headers["ce_type"].decode(), headers["ce_source"]) == (name, b"gateway-1")
            assert ("traceparent" in headers) == (headers["ce_id"].decode()[:36] == exchanges[0][0].exchange_id)


async def test_a_killed_broker_loses_nothing(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """kill -9 of the broker under live appends: appends go on at once, and all arrives when it is back."""
    settings = settings_for(kafka_server.bootstrap_servers, unique_name, max_memory_bytes=20_000)
    journal = journal_at(tmp_path, settings)
    sent = []

    async def append(count: int) -> None:
        for _ in range(count):
            events = exchange()
            async with asyncio.timeout(20):  # one that waits for Kafka waits for ever
                await journal.append(events)
            sent.append(events)

    async with running(tmp_path, settings, journal) as relay:
        await append(50)
        assert await relay.drain(SECONDS)
        await asyncio.to_thread(kafka_server.kill)
        await append(400)
        await asyncio.to_thread(kafka_server.restart)
        await append(50)
        assert await relay.drain(SECONDS)
        assert relay.counters.fell_behind > 0, "what memory may not hold is read from the file"
        assert relay.lag_records == 0
    await journal.close()
    found = event_ids(await everything(settings), settings)
    assert set(found) == set(ids_of(sent))


async def test_what_memory_may_not_hold_is_not_sent_again(
    kafka_server: Kafka, unique_name: str, tmp_path: Path
) -> None:
    """Falling back to the file begins behind what was acknowledged: each event lies on its topic once."""
    settings = settings_for(kafka_server.bootstrap_servers, unique_name, max_memory_bytes=20_000)
    journal = journal_at(tmp_path, settings)
    sent = []
    async with running(tmp_path, settings, journal) as relay:
        for count in (30, 400, 30, 400):
            for _ in range(count):
                sent.append(exchange())
                await journal.append(sent[-1])
            assert await relay.drain(SECONDS)
        assert relay.counters.fell_behind > 0
    await journal.close()
    assert sorted(event_ids(await everything(settings), settings)) == sorted(ids_of(sent))


async def test_kafka_may_be_away_at_the_start(tmp_path: Path) -> None:
    """The gateway is not held up; the journal has it, and the relay says that it does not acknowledge."""
    settings = settings_for(f"127.0.0.1:{free_port()}", "nobody")
    journal = journal_at(tmp_path, settings)
    async with running(tmp_path, settings, journal) as relay:
        await journal.append(exchange())
        async with asyncio.timeout(SECONDS):
            while not relay.counters.failures:  # noqa: ASYNC110 - a connection that is refused tells nobody else
                await asyncio.sleep(0.01)
        assert not relay.is_acknowledging
        assert not await relay.drain(0.05)
        assert relay.lag_records == 3
    await journal.close()


async def test_a_restart_goes_on_at_the_watermark(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """What was acknowledged is not sent again; an orphaned journal that nobody writes to is relayed to its end."""
    settings = settings_for(kafka_server.bootstrap_servers, unique_name)
    journal = journal_at(tmp_path, settings)
    first, second = exchange(), exchange()
    async with running(tmp_path, settings, journal) as relay:
        await journal.append(first)
        assert await relay.drain(SECONDS)
    await journal.append(second)
    await journal.close()
    async with running(tmp_path, settings) as relay:
        assert relay.lag_records == 3
        assert await relay.drain(SECONDS)
        assert relay.lag_records == 0
    committed = load_offset(offset_path(tmp_path, RELAY_GROUP))
    assert committed is not None
    assert committed.offset == journal.next_offset
    assert event_ids(await everything(settings), settings) == Counter(ids_of([first, second]))


async def test_what_kafka_refuses_for_good_is_set_aside(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """A record that no broker of these settings takes is kept in a file, counted, and everything behind it arrives."""
    settings = settings_for(kafka_server.bootstrap_servers, unique_name)
    journal = journal_at(tmp_path, settings)
    alert = topics_of(settings).alert.name
    events = exchange()
    async with running(tmp_path, settings, journal) as relay:
        await journal.append_records([Record(alert, b"big", b"x" * (2 << 20)), Record(alert, b"small", b"y")])
        await journal.append(events)
        assert await relay.drain(SECONDS)
        assert relay.counters.refused == 1
    await journal.close()
    found = await everything(settings)
    assert [record.key for record in found[alert]] == [b"small"]
    assert event_ids(found, settings) == Counter(ids_of([events]))
    (line,) = refused_lines(tmp_path)
    assert line["topic"] == alert


def refused_lines(directory: Path) -> list[dict[str, Any]]:
    """What was set aside."""
    return [orjson.loads(line) for line in (directory / REFUSED_FILE).read_bytes().splitlines()]


def noisy(topic: str, key: str, size: int) -> Record:
    """Of bytes that do not compress."""
    return Record(topic, key.encode(), random.Random(key).randbytes(size))


async def small_alerts(kafka: Kafka, namespace: str) -> LogSettings:
    """A namespace whose alerts somebody else made smaller than we know."""
    settings = settings_for(kafka.bootstrap_servers, namespace)
    await make_topic(
        kafka, topics_of(settings).alert.name, topics_of(settings).alert.partitions, max_message_bytes="6000"
    )
    return settings


async def test_one_refused_among_many_holds_nobody_up(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """The topic takes less than we know: each time the others arrive exactly once, without a failure."""
    settings = await small_alerts(kafka_server, unique_name)
    alert = topics_of(settings).alert.name
    journal = journal_at(tmp_path, settings)
    expected = []
    async with running(tmp_path, settings, journal) as relay:
        for turn in range(3):
            sizes = {f"{turn}-{at}": 20_000 if at == 13 else 100 for at in range(21)}
            await journal.append_records([noisy(alert, key, size) for key, size in sizes.items()])
            await journal.append(exchange())
            assert await relay.drain(SECONDS)
            assert relay.counters.refused == turn + 1
            expected += [key.encode() for key, size in sizes.items() if size == 100]
        assert (relay.counters.failures, relay.lag_records) == (0, 0)
    await journal.close()
    found = await everything(settings)
    assert sorted(record.key for record in found[alert]) == sorted(expected)
    assert set(event_ids(found, settings).values()) == {1}
    keys = [base64.b64decode(line["key"]) for line in refused_lines(tmp_path)]
    assert keys == [b"0-13", b"1-13", b"2-13"]


async def test_a_round_sent_again_sets_nothing_aside_twice(
    kafka_server: Kafka, unique_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It failed behind the refusal, three times: one line and one count; all others arrive."""
    settings = await small_alerts(kafka_server, unique_name)
    alert = topics_of(settings).alert.name
    journal = journal_at(tmp_path, settings)
    await journal.append_records([noisy(alert, str(at), 20_000 if at == 13 else 100) for at in range(21)])
    rounds = []
    send = BatchProducer.send

    async def failing_at_first(self: BatchProducer, records: Sequence[WrittenRecord], *_: object) -> None:
        await send(self, records)
        rounds.append(len(records))
        if len(rounds) <= 3:
            message = "the answer was lost"
            raise EventLogError(message)

    monkeypatch.setattr(BatchProducer, "send", failing_at_first)
    async with running(tmp_path, settings, journal) as relay:
        assert await relay.drain(SECONDS)
        assert (relay.counters.failures, relay.counters.refused) == (3, 1)
    await journal.close()
    assert [base64.b64decode(line["key"]) for line in refused_lines(tmp_path)] == [b"13"]
    assert {record.key for record in (await everything(settings))[alert]} == {
        b"%d" % at for at in range(21) if at != 13
    }


async def test_what_cannot_be_set_aside_is_not_passed_over(
    kafka_server: Kafka, unique_name: str, tmp_path: Path
) -> None:
    """A full disk: the round waits until the refused record is written down, and is not counted before."""
    settings = settings_for(kafka_server.bootstrap_servers, unique_name)
    journal = journal_at(tmp_path, settings)
    (tmp_path / REFUSED_FILE).mkdir()
    async with running(tmp_path, settings, journal) as relay:
        await journal.append_records([Record(topics_of(settings).alert.name, b"big", b"x" * (2 << 20))])
        assert not await relay.drain(1)
        assert (relay.counters.refused, relay.lag_records) == (0, 1)
        (tmp_path / REFUSED_FILE).rmdir()
        assert await relay.drain(SECONDS)
        assert relay.counters.refused == len(refused_lines(tmp_path)) == 1
    await journal.close()


async def test_pauses_grow_until_a_round_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that lets us connect and takes nothing is not asked for ever in a hurry; one round makes it well."""
    settings = settings_for("nobody:1", "nobody")
    journal = journal_at(tmp_path, settings)
    await journal.append(exchange())
    answers = iter([False] * 6 + [True] + [False] * 3)
    pauses: list[float] = []
    ended = asyncio.Event()
    sleep = asyncio.sleep

    async def start(_: BatchProducer) -> None:
        """Connects."""

    async def send(_: BatchProducer, records: Sequence[WrittenRecord], *__: object) -> None:
        if not next(answers, False):
            message = "not now"
            raise EventLogError(message)
        await journal.append(exchange())

    async def passed(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 9:
            ended.set()
        await sleep(0)

    monkeypatch.setattr(BatchProducer, "start", start)
    monkeypatch.setattr(BatchProducer, "send", send)
    monkeypatch.setattr(asyncio, "sleep", passed)
    monkeypatch.setattr(random, "random", lambda: 1.0)
    async with running(tmp_path, settings):
        async with asyncio.timeout(SECONDS):
            await ended.wait()
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 0.2, 0.4, 0.8]
    await journal.close()


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[int]:
    """How many records each round has that a relay sends, to nobody."""
    sizes: asyncio.Queue[int] = asyncio.Queue()

    async def start(_: BatchProducer) -> None:
        pass

    async def send(_: BatchProducer, records: Sequence[WrittenRecord], __: object) -> None:
        sizes.put_nowait(len(records))

    monkeypatch.setattr(BatchProducer, "start", start)
    monkeypatch.setattr(BatchProducer, "send", send)
    return sizes


async def test_after_a_quiet_while_a_record_goes_at_once_and_what_follows_together(
    tmp_path: Path, rounds: asyncio.Queue[int]
) -> None:
    """A round begins ``linger_seconds`` after the one before, and until then grows."""
    linger = 1.5
    settings = settings_for("127.0.0.1:1", "n", linger_seconds=linger)
    journal = journal_at(tmp_path, settings)
    time = asyncio.get_running_loop().time
    async with running(tmp_path, settings, journal) as relay, asyncio.timeout(SECONDS):
        await relay.wait_for(await journal.append(exchange()))
        await asyncio.sleep(linger)
        rounds.get_nowait()
        began = time()
        await journal.append(exchange())
        assert await rounds.get() == len(exchange())
        assert time() < began + linger
        await asyncio.gather(journal.append(exchange()), journal.append(exchange()))
        assert await rounds.get() == 2 * len(exchange())
        assert time() >= began + linger
    await journal.close()


@pytest.mark.parametrize("need", ["a client waits", "it is large", "the worker ends"])
async def test_a_round_that_somebody_needs_grows_no_longer(
    tmp_path: Path, rounds: asyncio.Queue[int], need: str
) -> None:
    """Who waits with ``strict``, and a drain, wait for no linger, and a large round for nobody."""
    settings = settings_for("127.0.0.1:1", "n", linger_seconds=3600)
    journal = journal_at(tmp_path, settings)
    async with running(tmp_path, settings, journal) as relay, asyncio.timeout(SECONDS):
        await relay.wait_for(await journal.append(exchange()))
        rounds.get_nowait()
        await asyncio.sleep(0.05)
        offset = await journal.append(exchange())
        await asyncio.sleep(0.05)
        assert rounds.empty()
        if need == "a client waits":
            await relay.wait_for(offset)
        elif need == "the worker ends":
            assert await relay.drain(SECONDS)
        else:
            await journal.append_records([Record("t", b"", b"")] * _GROWN_RECORDS)
        assert await rounds.get() >= len(exchange())
    await journal.close()


async def test_a_small_memory_is_sent_before_it_is_given_up(tmp_path: Path, rounds: asyncio.Queue[int]) -> None:
    """Half of ``max_memory_bytes`` is a large round, whatever the linger."""
    settings = settings_for("127.0.0.1:1", "n", linger_seconds=3600, max_memory_bytes=20_000)
    journal = journal_at(tmp_path, settings)
    async with running(tmp_path, settings, journal) as relay, asyncio.timeout(SECONDS):
        await relay.wait_for(await journal.append(exchange()))
        rounds.get_nowait()
        await journal.append_records([Record("t", b"", bytes(12_000))])
        assert await rounds.get() == 1
        assert relay.counters.fell_behind == 0
    await journal.close()
