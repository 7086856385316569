"""Journal records as Kafka batches, on a real broker: all arrive, and what it refuses for good is named one by one."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition

from schemas.cloudevents import cloudevent_headers
from schemas.codec import published_schemas
from schemas.topics import MAX_EVENT_BYTES, Topics
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.kafka.batches import BatchProducer
from sluice.eventlog.kafka.config import KafkaUnreachableError
from sluice.eventlog.settings import LogSettings
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import make_topic, records_in, settings_for, topics_of

MOMENT = 1_700_000_000_000_007


class Refusals:
    """Remembers what was refused."""

    def __init__(self) -> None:
        self.found: list[tuple[bytes | None, str]] = []

    def __call__(self, record: WrittenRecord, reason: str) -> None:
        self.found.append((record.key, reason))

    @property
    def keys(self) -> list[bytes | None]:
        """Of the records, in order."""
        return [key for key, _ in self.found]


def event(topic: str, number: int, value: bytes | None = b"value", traceparent: bytes = b"") -> WrittenRecord:
    """An event as the journal holds it."""
    key = f"x-{number}".encode()
    headers = (("traceparent", traceparent),) if traceparent else ()
    return WrittenRecord(number, topic, key, value, key + b"-b", MOMENT + number, headers, 5)


def side(topic: str, value: bytes | None = b"alert") -> WrittenRecord:
    """A side record as the journal holds it."""
    return WrittenRecord(1, topic, b"key", value, b"", 0, (("dlq.reason", b"x"),), 5)


@pytest.fixture
def refusals() -> Refusals:
    """Empty."""
    return Refusals()


@pytest.fixture
def log_settings(kafka_server: Kafka, unique_name: str) -> LogSettings:
    """Of this test's own namespace."""
    return settings_for(kafka_server, unique_name)


@pytest.fixture
def topics(log_settings: LogSettings) -> Topics:
    """Its topics."""
    return topics_of(log_settings)


@pytest.fixture
async def producer(log_settings: LogSettings, topics: Topics, refusals: Refusals) -> AsyncIterator[BatchProducer]:
    """Not started."""
    made = BatchProducer(log_settings, topics, "gateway-1", refusals)
    yield made
    await made.close()


@pytest.fixture
async def started(producer: BatchProducer) -> BatchProducer:
    """Connected."""
    await producer.start()
    return producer


async def test_the_schemas_are_there_before_the_first_event(
    kafka_server: Kafka, started: BatchProducer, topics: Topics
) -> None:
    """A consumer can read whatever comes: each under its fingerprint."""
    found = await records_in(kafka_server, topics.schema.name, 1)
    assert [(record.key, record.value) for record in found] == published_schemas()


async def test_a_record_arrives_as_it_was_published(
    kafka_server: Kafka, started: BatchProducer, topics: Topics, refusals: Refusals
) -> None:
    """Events with their CloudEvents headers and the trace behind them, side records with their own; tombstones too."""
    traced, plain = (
        event(topics.event("budget").name, 1, traceparent=b"00-a-b-01"),
        event(topics.event("budget").name, 2),
    )
    await started.send([traced, side(topics.alert.name), plain, side(topics.alert.name, None)])
    budget = topics.event("budget")
    found = {record.key: record for record in await records_in(kafka_server, budget.name, budget.partitions)}
    for record, trace in ((traced, "00-a-b-01"), (plain, "")):
        expected = cloudevent_headers(budget.name, record.event_id.decode(), "gateway-1", record.occurred_at, trace)
        assert list(found[record.key].headers) == expected
        assert found[record.key].value == b"value"
        assert found[record.key].timestamp_type == 1, "the broker's own time"
    alerts = await records_in(kafka_server, topics.alert.name, topics.alert.partitions)
    assert sorted((record.value or b"", record.key, record.headers) for record in alerts) == [
        (b"", b"key", (("dlq.reason", b"x"),)),
        (b"alert", b"key", (("dlq.reason", b"x"),)),
    ]
    assert refusals.found == []


async def test_all_records_arrive_once_in_whole_batches_over_all_partitions(
    kafka_server: Kafka, log_settings: LogSettings, topics: Topics, refusals: Refusals
) -> None:
    """More than fit into one batch: each batch is of one partition, in order, and the next one is of the next."""
    small = log_settings.model_copy(update={"relay": log_settings.relay.model_copy(update={"max_batch_bytes": 16_384})})
    producer = BatchProducer(small, topics, "gateway-1", refusals)
    await producer.start()
    budget = topics.event("budget")
    records = [event(budget.name, number, bytes(1000)) for number in range(100)]
    await producer.send(records)
    await producer.send([])
    await producer.close()
    found = await records_in(kafka_server, budget.name, budget.partitions)
    assert sorted(record.key for record in found) == sorted(record.key for record in records if record.key)
    by_partition = [[record.key for record in found if record.partition == number] for number in range(2)]
    assert all(len(keys) >= 20 for keys in by_partition)
    order = {record.key: at for at, record in enumerate(records)}
    assert all(keys == sorted(keys, key=order.__getitem__) for keys in by_partition)


async def test_small_rounds_of_several_topics_reach_all_partitions_of_each(
    kafka_server: Kafka, started: BatchProducer, topics: Topics
) -> None:
    """Rounds of as many topics as there are partitions: no topic's batches all go to the same one."""
    both = [topics.event("budget"), topics.event("analytics")]
    for number in range(4):
        await started.send([event(topic.name, number) for topic in both])
    for topic in both:
        found = await records_in(kafka_server, topic.name, topic.partitions)
        assert [record.partition for record in found] == [0, 0, 1, 1]


async def test_what_is_larger_than_its_topic_is_refused_here(
    kafka_server: Kafka, started: BatchProducer, topics: Topics, refusals: Refusals
) -> None:
    """Alone, with the limit; the ones around it arrive. The largest that is let through arrives too."""
    budget, letters = topics.event("budget"), topics.event("budget").dead_letters()
    largest = MAX_EVENT_BYTES - 512
    await started.send(
        [
            event(budget.name, 1),
            event(budget.name, 2, bytes(largest)),
            event(budget.name, 3, bytes(largest + 1)),
            event(budget.name, 4),
            side(letters.name, bytes(largest + 1)),
        ]
    )
    assert refusals.found == [(b"x-3", f"larger than the topic takes ({largest} bytes)")]
    found = await records_in(kafka_server, budget.name, budget.partitions)
    assert sorted(record.key for record in found) == [b"x-1", b"x-2", b"x-4"]
    assert len(await records_in(kafka_server, letters.name, letters.partitions)) == 1


@pytest.mark.parametrize("too_large_at", [0, 1, 2])
async def test_a_batch_that_may_be_as_large_as_its_topic_holds_no_record_that_is_refused(
    log_settings: LogSettings, topics: Topics, refusals: Refusals, kafka_server: Kafka, too_large_at: int
) -> None:
    """The largest that is refused here would still leave its neighbours room in a batch of ``max_batch_bytes``: those
    would be refused with it, or it would be sent with them."""
    relay = log_settings.relay.model_copy(update={"max_batch_bytes": 1 << 20})
    producer = BatchProducer(log_settings.model_copy(update={"relay": relay}), topics, "gateway-1", refusals)
    budget = topics.event("budget")
    await producer.start()
    too_large = bytes(MAX_EVENT_BYTES - 512 + 1)
    await producer.send([event(budget.name, at, too_large if at == too_large_at else b"") for at in range(3)])
    await producer.close()
    assert refusals.keys == [b"x-%d" % too_large_at]
    found = await records_in(kafka_server, budget.name, budget.partitions)
    assert sorted(record.key for record in found) == [b"x-%d" % at for at in range(3) if at != too_large_at]


async def test_who_cannot_set_a_refused_record_aside_has_sent_nothing(
    kafka_server: Kafka, log_settings: LogSettings, topics: Topics
) -> None:
    """A full disk: the round is tried again and again, and what is beside the record must not arrive each time."""

    def full(_record: WrittenRecord, _reason: str) -> None:
        message = "no space left"
        raise EventLogError(message)

    producer = BatchProducer(log_settings, topics, "gateway-1", full)
    await producer.start()
    budget, alert = topics.event("budget"), topics.alert
    for _ in range(3):
        with pytest.raises(EventLogError, match="no space left"):
            await producer.send(
                [side(alert.name), event(budget.name, 1), event(budget.name, 2, bytes(MAX_EVENT_BYTES))]
            )
    await producer.close()
    for topic in (budget, alert):
        assert await records_in(kafka_server, topic.name, topic.partitions) == []


@pytest.mark.parametrize(
    "too_large",
    [
        pytest.param({0}, id="first"),
        pytest.param({13}, id="one"),
        pytest.param({3, 4, 20}, id="some"),
        pytest.param(set(range(21)), id="all"),
    ],
)
async def test_what_the_broker_refuses_is_found_among_its_neighbours(
    kafka_server: Kafka,
    producer: BatchProducer,
    topics: Topics,
    refusals: Refusals,
    too_large: set[int],
) -> None:
    """A topic that takes less than we know: exactly those are named, each once, and all others arrive once."""
    name = topics.event("budget").name
    await make_topic(kafka_server, name, max_message_bytes="6000", compression_type="uncompressed")
    await producer.start()
    records = [event(name, at, noise(at, 20_000 if at in too_large else 100)) for at in range(21)]
    await producer.send(records)
    assert sorted(refusals.keys, key=str) == sorted((records[at].key for at in too_large), key=str)
    assert {reason for _, reason in refusals.found} == {"the broker refuses it: MessageSizeTooLargeError"}
    found = await records_in(kafka_server, name, 2)
    arrived = sorted(record.key for record in found)
    assert arrived == sorted(record.key for at, record in enumerate(records) if at not in too_large and record.key)


async def test_what_was_learned_of_a_topic_is_kept(
    kafka_server: Kafka, producer: BatchProducer, topics: Topics, refusals: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time its bound is searched for; then batches are small enough, and a large record comes alone."""
    name = topics.event("budget").name
    await make_topic(kafka_server, name, max_message_bytes="6000", compression_type="uncompressed")
    await producer.start()
    made = []
    connected = BatchProducer._connected

    async def counting(self: BatchProducer) -> object:
        made.append(1)
        return await connected(self)

    monkeypatch.setattr(BatchProducer, "_connected", counting)
    fresh = []
    for turn in range(3):
        made.clear()
        await producer.send([event(name, turn * 100 + at, noise(at, 20_000 if at == 50 else 500)) for at in range(100)])
        fresh.append(len(made))
    assert fresh[0] > 1
    assert fresh[1:] == [1, 1]
    assert refusals.keys == [b"x-50", b"x-150", b"x-250"]
    found = await records_in(kafka_server, name, 2)
    assert sorted(record.key for record in found) == sorted(
        b"x-%d" % number for number in range(300) if number not in {50, 150, 250}
    )


async def test_batches_behind_a_refused_one_are_sent_again(
    kafka_server: Kafka, log_settings: LogSettings, topics: Topics, refusals: Refusals
) -> None:
    """Several batches of a partition are under way when the first is refused: all arrive once, other topics too."""
    small = log_settings.model_copy(update={"relay": log_settings.relay.model_copy(update={"max_batch_bytes": 16_384})})
    producer = BatchProducer(small, topics, "gateway-1", refusals)
    name, alert = topics.event("budget").name, topics.alert.name
    await make_topic(kafka_server, name, max_message_bytes="18000", compression_type="uncompressed")
    await producer.start()
    records = [event(name, at, noise(at, 20_000 if at in {0, 40, 41, 99} else 1000)) for at in range(100)]
    await producer.send([*records, *[side(alert)] * 10])
    await producer.send([event(name, 1000)])
    await producer.close()
    assert sorted(refusals.keys, key=str) == [b"x-0", b"x-40", b"x-41", b"x-99"]
    found = await records_in(kafka_server, name, 2)
    kept = {record.key for record in records} - set(refusals.keys) | {b"x-1000"}
    assert len(found) == len(kept) == 97
    assert {record.key for record in found} == kept
    assert len(await records_in(kafka_server, alert, topics.alert.partitions)) == 10


async def test_numbers_that_are_lost_without_a_refusal_are_an_error(
    started: BatchProducer, topics: Topics, refusals: Refusals
) -> None:
    """Not sent again and again: the relay waits and begins with a producer of its own; nothing is refused for good."""
    name = topics.event("budget").name
    for at in range(2):
        await started.send([event(name, at)])
    for partition in range(2):
        started._open._txn_manager.increment_sequence_number(TopicPartition(name, partition), 5)
    with pytest.raises(EventLogError, match="out of order though nothing was refused"):
        await started.send([event(name, 3)])
    await started.close()
    await started.start()
    await started.send([event(name, 3)])
    assert refusals.found == []


def noise(seed: int, size: int) -> bytes:
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)


async def test_nobody_there(refusals: Refusals, unique_name: str) -> None:
    """An error of ours with the address, and nothing left open; sending without a start is an error too."""
    nobody = {"bootstrap_servers": "127.0.0.1:1", "namespace": unique_name, "request_timeout_seconds": 1}
    producer = BatchProducer(LogSettings.model_validate({"kafka": nobody}), Topics(unique_name), "g", refusals)
    with pytest.raises(KafkaUnreachableError, match=r"127\.0\.0\.1:1 cannot be reached"):
        await producer.start()
    with pytest.raises(EventLogError, match="RuntimeError: start"):
        await producer.send([event("t", 1)])
    await producer.close()
    assert refusals.found == []


async def test_after_close_nothing_is_sent(started: BatchProducer, topics: Topics, refusals: Refusals) -> None:
    """It is an error and no silence; closing twice is closing once, and it can be started again."""
    await started.close()
    await started.close()
    with pytest.raises(EventLogError):
        await started.send([event(topics.alert.name, 1)])
    await started.start()
    await started.send([event(topics.alert.name, 1)])
    assert refusals.found == []
