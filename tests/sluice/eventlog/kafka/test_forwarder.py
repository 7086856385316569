"""Batches into a real Kafka: acknowledged, refused for their size, and gone on with through a fresh producer."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from sluice.eventlog.kafka.config import KafkaUnreachableError
from sluice.eventlog.kafka.forwarder import Forwarder, OutgoingRecord, TooLargeError
from sluice.eventlog.settings import KafkaSettings
from tests.collectors.sinks.kafka.topics import shown_topic
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import records_in


@pytest.fixture
async def forwarder(kafka_server: Kafka) -> AsyncIterator[Forwarder]:
    """Not connected yet."""
    made = Forwarder(KafkaSettings(bootstrap_servers=kafka_server.bootstrap_servers), 64_000)
    yield made
    await made.close()


def record(topic: str, value: bytes, key: bytes | None = b"k") -> OutgoingRecord:
    """One record."""
    return OutgoingRecord(topic, key, value, [("ce_id", b"e"), ("twice", b"1"), ("twice", b"2")])


async def test_what_send_returned_for_is_there(kafka_server: Kafka, forwarder: Forwarder, unique_name: str) -> None:
    """In order, with keys and headers as they were; empty keys and values are not absent ones."""
    await shown_topic(kafka_server, unique_name, 2)
    assert await forwarder.partitions(unique_name) == [0, 1]
    sent = [record(unique_name, b"1"), record(unique_name, b"", b""), record(unique_name, b"3", None)]
    await forwarder.send(sent, 1)
    found = await records_in(kafka_server, unique_name, 2)
    assert [(one.key, one.value, list(one.headers), one.partition) for one in found] == [
        (one.key, one.value, one.headers, 1) for one in sent
    ]


async def test_after_a_refused_batch_others_go_through(
    kafka_server: Kafka, forwarder: Forwarder, unique_name: str
) -> None:
    """It used up sequence numbers: through the old producer what follows would be out of order."""
    await shown_topic(kafka_server, unique_name, 1, max_message_bytes="10000")
    await forwarder.send([record(unique_name, b"before")], 0)
    with pytest.raises(TooLargeError):
        await forwarder.send([record(unique_name, secrets.token_bytes(20_000))], 0)
    for number in range(3):
        await forwarder.send([record(unique_name, str(number).encode())], 0)
    assert [one.value for one in await records_in(kafka_server, unique_name, 1)] == [b"before", b"0", b"1", b"2"]


async def test_more_than_a_batch_holds_is_refused_here(forwarder: Forwarder, unique_name: str) -> None:
    """A batch is never cut in silence."""
    with pytest.raises(TooLargeError):
        await forwarder.send([record(unique_name, b"x" * 60_000)] * 5, 0)


async def test_sizes_are_never_guessed_too_small(kafka_server: Kafka, forwarder: Forwarder, unique_name: str) -> None:
    """What fits by ``size_bytes`` is taken by a topic of that size, though nothing could be compressed."""
    await shown_topic(kafka_server, unique_name, 1, max_message_bytes="10000")
    base = record(unique_name, b"")
    fitting = record(unique_name, secrets.token_bytes(10_000 - base.size_bytes()))
    assert fitting.size_bytes() == 10_000
    await forwarder.send([fitting], 0)
    assert len(await records_in(kafka_server, unique_name, 1)) == 1


def test_keys_go_where_kafka_s_own_clients_put_them() -> None:
    """Murmur2, as Java's default: consumers that join by key rely on it."""
    forwarder = Forwarder(KafkaSettings(bootstrap_servers="k:1"), 1)
    for key in (b"a", b"21", b"exchange-1", b"", b"\xff" * 40):
        assert forwarder.partition_of(key, list(range(12))) == _murmur2(key) % 12
    assert forwarder.partition_of(None, [7]) == 7


def _murmur2(data: bytes) -> int:
    """By its definition (32 bits, seed 0x9747b28c), the sign bit cleared."""
    mask, seed, m = 0xFFFFFFFF, 0x9747B28C, 0x5BD1E995
    h = seed ^ len(data)
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


async def test_closed_is_closed(forwarder: Forwarder, unique_name: str) -> None:
    """A write that comes late opens nothing that nobody closes."""
    await forwarder.close()
    await forwarder.close()
    with pytest.raises(KafkaUnreachableError, match="closed"):
        await forwarder.send([record(unique_name, b"x")], 0)
