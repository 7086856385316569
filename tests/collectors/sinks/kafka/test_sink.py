"""The Kafka sink on a real Kafka: copies, loops, records that are too large, topics that come late."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import orjson
import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.interface import Verdict
from collectors.sinks.kafka.settings import KafkaSinkSettings
from collectors.sinks.kafka.sink import KafkaSink
from schemas.events import KINDS, Kind
from sluice.eventlog.settings import KafkaSettings
from tests.collectors.sinks.kafka.topics import shown_topic
from tests.contracts.sink_laws import LogPart, ids_of
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import records_in

PARTITIONS = 3


def sink_of(kafka: Kafka, topic: str, kinds: tuple[Kind, ...] = ("analytics",), **settings: Any) -> KafkaSink:
    """A sink on the place, not started."""
    own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, request_timeout_seconds=5)
    return KafkaSink(KafkaSinkSettings.model_validate({"topic": topic, **settings}), kinds, own)


async def ids_in(kafka: Kafka, topic: str, partitions: int = PARTITIONS) -> Counter[str]:
    """How often each event lies in a topic."""
    found = await records_in(kafka, topic, partitions)
    return Counter(dict(record.headers)["ce_id"].decode() for record in found)


def with_keys(log: LogPart, kind: Kind, count: int, **changes: Any) -> Any:
    """Events as the gateway keys them: each by its exchange."""
    records = log.frame(kind, count, **changes).delivery.records
    for record in records:
        any_record: Any = record
        any_record.key = dict(record.headers)["ce_id"][:36]
    log.assign()
    return log.deliver(records, kind)


@pytest.mark.parametrize("body", ["original", "json"])
async def test_every_kind_arrives(kafka_server: Kafka, unique_name: str, body: str) -> None:
    """In the topic of its kind, over all partitions, each key where all clients put it."""
    for kind in ("proxy-log", "analytics", "budget"):
        await shown_topic(kafka_server, f"{unique_name}.{kind}", PARTITIONS)
    sink = sink_of(kafka_server, f"{unique_name}.{{kind}}", KINDS, body=body)
    await sink.start()
    await sink.start()
    log = LogPart()
    for kind in KINDS:
        frame = with_keys(log, kind, 40)
        assert await sink.write(sink.prepare(frame).documents) == Verdict()
        topic = f"{unique_name}.{kind.replace('_', '-')}"
        found = await records_in(kafka_server, topic, PARTITIONS)
        assert Counter(dict(record.headers)["ce_id"].decode() for record in found) == ids_of(frame)
        assert len({record.partition for record in found}) == PARTITIONS
        originals = {record.key: record.value for record in frame.delivery.records}
        if body == "original":
            assert {record.key: record.value for record in found} == originals
        else:
            assert all(orjson.loads(record.value)["event_id"].startswith(record.key.decode()) for record in found)
    await sink.check()
    await sink.close()


async def test_a_record_that_the_topic_does_not_take_is_poison(kafka_server: Kafka, unique_name: str) -> None:
    """Alone, by halving; its neighbours are there, though their batch was refused with it."""
    await shown_topic(kafka_server, unique_name, 1, max_message_bytes="20000")
    sink = sink_of(kafka_server, unique_name, ("proxy_log",))
    await sink.start()
    log = LogPart()
    records = [log.frame("proxy_log", 1).delivery.records[0] for _ in range(9)]
    records.insert(4, log.frame("proxy_log", 1, request_body=_incompressible(30_000)).delivery.records[0])
    log.assign()
    frame = log.deliver(sorted(records, key=lambda record: record.offset), "proxy_log")
    sizes = [len(record.value or b"") for record in frame.delivery.records]
    at_fault = sizes.index(max(sizes))
    verdict = await sink.write(sink.prepare(frame).documents)
    assert set(verdict.poison) == {at_fault}
    assert verdict.poison[at_fault].reason == "too_large"
    documents = sink.prepare(frame).documents
    again = await sink.write([documents[at] for at in verdict.retry])
    assert again == Verdict()
    ids = frame.rows["event_id"].to_list()
    assert set(await ids_in(kafka_server, unique_name, 1)) == set(ids) - {ids[at_fault]}
    await sink.close()


def _incompressible(size: int) -> bytes:
    """Bytes that no compression makes fewer, the same in every run."""
    state, found = 1, bytearray()
    while len(found) < size:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        found.append(state >> 56)
    return bytes(found)


async def test_what_is_too_large_for_any_topic_is_not_sent(kafka_server: Kafka, unique_name: str) -> None:
    """Above ``max_record_bytes`` it is poison when the batch is made."""
    sink = sink_of(kafka_server, unique_name, max_record_bytes=500)
    prepared = sink.prepare(LogPart().frame("proxy_log", 1, request_body=b"x" * 600))
    assert [error.reason for error in prepared.poison.values()] == ["too_large"]
    await sink.close()


@pytest.mark.parametrize("topic", ["sluice.{kind}.v1", "sluice.analytics.v1.dlq", "sluice.alert.v1"])
async def test_the_log_s_own_topics_are_refused(kafka_server: Kafka, topic: str) -> None:
    """Of this cluster, named or not; it is a halt with its remedy, and nothing is sent."""
    other = {"bootstrap_servers": kafka_server.bootstrap_servers}
    for cluster in (None, other):
        sink = sink_of(kafka_server, topic, cluster=cluster)
        with pytest.raises(Halt, match="set another topic"):
            await sink.start()
        await sink.close()


async def test_a_topic_that_comes_late(kafka_server: Kafka, unique_name: str) -> None:
    """The start halts until it is there."""
    sink = sink_of(kafka_server, unique_name)
    with pytest.raises(Halt, match=unique_name):
        await sink.start()
    await shown_topic(kafka_server, unique_name, PARTITIONS)
    await sink.start()
    frame = LogPart().frame(count=4)
    assert await sink.write(sink.prepare(frame).documents) == Verdict()
    assert await ids_in(kafka_server, unique_name) == ids_of(frame)
    await sink.close()


async def test_no_cluster_at_all_halts() -> None:
    """The embedded log is no Kafka: the remedy names the key."""
    sink = KafkaSink(KafkaSinkSettings(topic="t"), KINDS, KafkaSettings())
    with pytest.raises(Halt, match=r"config\.cluster"):
        await sink.start()
    await sink.close()


async def test_a_cluster_that_is_away_is_a_retry() -> None:
    """Of ``start``, ``check`` and ``write``; the password is in none of it."""
    cluster = {
        "bootstrap_servers": "127.0.0.1:1", "request_timeout_seconds": 0.5, "username": "u", "password": "hidden",
        "security_protocol": "SASL_PLAINTEXT",
    }  # fmt: skip
    sink = KafkaSink(KafkaSinkSettings.model_validate({"topic": "t", "cluster": cluster}), KINDS, KafkaSettings())
    for ask in (sink.start, sink.check):
        with pytest.raises(Retryable) as caught:
            await ask()
        assert "hidden" not in str(caught.value)
    verdict = await sink.write(sink.prepare(LogPart().frame(count=3)).documents)
    assert verdict.retry == [0, 1, 2]
    assert isinstance(verdict.cause, Retryable)
    assert "hidden" not in str(verdict.cause)
    await sink.close()


async def test_writes_at_once_share_a_producer(kafka_server: Kafka, unique_name: str) -> None:
    """Every event is there once where nothing failed."""
    await shown_topic(kafka_server, unique_name, PARTITIONS)
    sink = sink_of(kafka_server, unique_name, max_batch_bytes=16_384)
    await sink.start()
    log = LogPart()
    frames = [with_keys(log, "analytics", 60) for _ in range(6)]
    async with asyncio.TaskGroup() as tasks:
        writes = [tasks.create_task(sink.write(sink.prepare(frame).documents)) for frame in frames]
    assert [task.result() for task in writes] == [Verdict()] * 6
    assert await ids_in(kafka_server, unique_name) == sum(map(ids_of, frames), Counter())
    await sink.close()
