"""Forwarding: the topic has what the queue had, and an absence of Kafka only delays it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.payloads import forwarding as module
from gateway.payloads.envelope import payload_of
from gateway.payloads.forwarding import Forwarding
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.memory import MemoryBroker, MemoryPublisher
from tests.gateway.payloads.making import TOPICS, polled

TOPIC = TOPICS.edge_payload.name


async def test_pauses_grow_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Kafka that is away for a day is not asked five times a second."""
    pauses: list[float] = []
    broker = MemoryBroker(TOPICS)
    broker.error = EventLogError("away")

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 9:
            broker.error = None

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await Forwarding(MemoryPublisher(broker), TOPIC).handle(polled(7, b"one"))
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10]


async def test_a_payload_arrives_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same id, same key: those of a plugin stay in order; while the log is away nothing returns."""
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.005)
    broker = MemoryBroker(TOPICS)
    broker.error = EventLogError("away")
    record = polled(7, b"one", metadata={"k": "v"})
    async with asyncio.TaskGroup() as tasks:
        forwarded = tasks.create_task(Forwarding(MemoryPublisher(broker), TOPIC).handle(record))
        await asyncio.sleep(0.02)
        assert not forwarded.done()
        broker.error = None
    [found] = [each for name in broker.partitions_of(TOPIC) for each in broker.lanes[name].records]
    assert found.key == b"7"
    assert payload_of(found).payload_id == payload_of(record).payload_id
