"""A relay that frames with a registry's ids, on a real Kafka, and a consumer that reads both framings."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from collectors.columns import Decoder
from collectors.deliveries import Delivery
from schemas.codec import SchemaBook
from sluice.eventlog.interface import PolledRecord, Subscription
from sluice.eventlog.kafka.source import KafkaSource
from sluice.eventlog.registry.errors import RegistryUnreachableError
from sluice.eventlog.registry.framing import IDS_FILE
from sluice.eventlog.settings import LogSettings
from tests.contracts.eventlog_laws import Listener, flat, ids, poll_until
from tests.servers import Kafka
from tests.sluice.eventlog.journal.making import exchange, ids_of
from tests.sluice.eventlog.registry.scripted import ScriptedRegistry, scripted_registry
from tests.sluice.eventlog.test_relay import journal_at, running, settings_for, topics_of

SECONDS = 40.0


def framed(kafka: Kafka, namespace: str, registry: ScriptedRegistry, **more: Any) -> LogSettings:
    """With a registry."""
    plain = settings_for(kafka.bootstrap_servers, namespace)
    return LogSettings.model_validate(
        {"kafka": plain.kafka.model_dump(exclude_unset=True), "schema_registry": registry.settings(**more)}
    )


async def carry(directory: Path, settings: LogSettings, count: int) -> list[str]:
    """So many exchanges, through a journal and its relay; their event ids."""
    journal = journal_at(directory, settings)
    exchanges = [exchange() for _ in range(count)]
    for events in exchanges:
        await journal.append(events)
    async with running(directory, settings, journal) as relay:
        assert await relay.drain(SECONDS)
    await journal.close()
    return ids_of(exchanges)


def delivered(records: list[PolledRecord]) -> Delivery:
    """As collectors have them."""
    delivery = Delivery()
    for record in records:
        delivery.add(record, None)  # type: ignore[arg-type]
    return delivery


async def test_a_topic_may_hold_both_framings(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """Before and after the registry was set: one poll gives both, and one decoder reads both once it knows the ids."""
    expected = await carry(tmp_path, settings_for(kafka_server.bootstrap_servers, unique_name), 3)
    async with scripted_registry(first_id=70) as registry:
        settings = framed(kafka_server, unique_name, registry)
        topics = topics_of(settings)
        expected += await carry(tmp_path, settings, 3)
        source = KafkaSource(settings, topics, Subscription(unique_name, tuple(topics.events())))
        await source.start(Listener())
        records = flat(await poll_until(source, 18))
        assert {(record.value or b"")[:1] for record in records} == {b"\xc3", b"\0"}
        assert sorted(ids(records)) == sorted(expected)
        decoder = Decoder(SchemaBook(has_registry=True))
        first = decoder.decode(delivered(records))
        assert {key: len(waiting) for key, waiting in first.unknown.items()} == {
            schema_id.to_bytes(4): 3 for schema_id in registry.texts
        }
        for text in await source.read_schemas():
            decoder.book.learn(text)
        decoded = decoder.decode(delivered(records))
        await source.close()
    assert not decoded.unknown
    assert not len(decoded.poison.delivery)
    assert decoder.column_failures == 0
    found = [event_id for frame in decoded.frames for event_id in frame.rows["event_id"].to_list()]
    assert sorted(found) == sorted(expected)


async def test_a_registry_that_goes_away_holds_nobody_up(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """In mid-run, and at the next start: the ids are known. A consumer that needs an unknown one is told to wait."""
    async with scripted_registry() as registry:
        settings = framed(kafka_server, unique_name, registry)
        expected = await carry(tmp_path, settings, 1)
        assert (tmp_path / IDS_FILE).exists()
        await registry.stop()
        expected += await carry(tmp_path, settings, 2)
        topics = topics_of(settings)
        source = KafkaSource(settings, topics, Subscription(unique_name, tuple(topics.events())))
        await source.start(Listener())
        records = flat(await poll_until(source, 9))
        assert sorted(ids(records)) == sorted(expected)
        assert {(record.value or b"")[0] for record in records} == {0}
        with pytest.raises(RegistryUnreachableError):
            await source.read_schemas()
        await registry.start()
        assert len(set(await source.read_schemas())) == 6
        await source.close()


async def test_without_a_registry_the_journal_waits_and_then_all_comes(
    kafka_server: Kafka, unique_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away at the very first start: the gateway goes on appending, and nothing is written in another framing."""
    monkeypatch.setattr("sluice.eventlog.relay._MAX_BACKOFF_SECONDS", 0.5)
    async with scripted_registry() as registry:
        await registry.stop()
        settings = framed(kafka_server, unique_name, registry)
        journal = journal_at(tmp_path, settings)
        async with running(tmp_path, settings, journal) as relay:
            await journal.append(exchange())
            async with asyncio.timeout(SECONDS):
                while relay.counters.failures < 2:  # noqa: ASYNC110 - a relay tells nobody of its failures
                    await asyncio.sleep(0.02)
            assert relay.lag_records == 3
            await registry.start()
            assert await relay.drain(SECONDS)
        await journal.close()
        topics = topics_of(settings)
        source = KafkaSource(settings, topics, Subscription(unique_name, tuple(topics.events())))
        await source.start(Listener())
        assert {(record.value or b"")[0] for record in flat(await poll_until(source, 3))} == {0}
        await source.close()
