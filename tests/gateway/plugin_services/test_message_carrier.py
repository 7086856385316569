"""Tests of ``gateway.plugin_services.message_carrier``: gateways hear one another over the log, at most once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.plugin_services import message_carrier as module
from gateway.plugin_services.message_carrier import LogCarrier, open_message_carrier
from gateway.settings import Settings
from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError, Partition, PolledRecord, Record
from sluice.eventlog.memory import MemoryBroker, MemoryPublisher
from sluice.sdk.services import Message
from tests.servers import Kafka
from tests.sluice.plugin_host.waiting import until

TOPIC = Topics(partitions=2).plugin_message
DEADLINE_SECONDS = 20


class MemoryTail:
    """A ``Tail`` of a broker in memory."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._partitions = broker.partitions_of(TOPIC.name)
        self._next: dict[Partition, int] | None = None
        self.polls = 0

    async def poll(self, timeout_seconds: float, max_records: int) -> Sequence[PolledRecord]:
        self.polls += 1
        if self._broker.error is not None:
            raise self._broker.error
        if self._next is None:
            self._next = {each: len(self._broker.lanes[each].records) for each in self._partitions}
        changed = self._broker.changed
        found = [record for each in self._partitions for record in self._broker.lanes[each].since(self._next[each])]
        if not found:
            await changed.wait()
        for record in found:
            self._next[Partition(record.topic, record.partition)] = record.offset + 1
        return found

    async def close(self) -> None:
        self._next = None


class Gateway:
    """One worker's carrier, and what arrived at it."""

    def __init__(self, carrier: LogCarrier) -> None:
        self.carrier = carrier
        self.arrived: list[Message] = []

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.arrived]


@asynccontextmanager
async def running(*carriers: LogCarrier) -> AsyncIterator[list[Gateway]]:
    """All of them, until the end."""
    gateways = [Gateway(carrier) for carrier in carriers]
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.carrier.run(each.arrived.append)) for each in gateways]
        tails = [each.carrier._tail for each in gateways]
        await until(lambda: all(tail.polls for tail in tails if isinstance(tail, MemoryTail)))
        yield gateways
        for task in running:
            task.cancel()


@pytest.fixture
def broker() -> MemoryBroker:
    """What all gateways share."""
    return MemoryBroker(Topics(partitions=2))


def carrier_of(broker: MemoryBroker, gateway_id: str) -> LogCarrier:
    """One worker of a gateway."""
    return LogCarrier(MemoryPublisher(broker), MemoryTail(broker), TOPIC, gateway_id)


def message(payload: bytes = b"", topic: str = "t") -> Message:
    """Any."""
    return Message("id", topic, payload, "plugin:1@g", "up")


async def test_every_worker_of_other_gateways_hears_a_message_and_ones_own_do_not(broker: MemoryBroker) -> None:
    """Those get it another way: nobody hears it twice."""
    carriers = [carrier_of(broker, each) for each in ("g-1", "g-1", "g-2", "g-2", "g-3")]
    async with running(*carriers) as gateways:
        gateways[0].carrier.carry(message(b"1"))
        gateways[4].carrier.carry(message(b"2"))
        await until(lambda: all(each.arrived for each in gateways) and len(gateways[2].arrived) == 2)
        assert [sorted(each.payloads) for each in gateways] == [[b"2"], [b"2"], [b"1", b"2"], [b"1", b"2"], [b"1"]]
        assert gateways[4].arrived == [message(b"1")]


async def test_what_was_published_before_is_not_heard(broker: MemoryBroker) -> None:
    """A gateway that starts does not act on yesterday."""
    broker.append([Record(TOPIC.name, b"t", b"old")])
    async with running(carrier_of(broker, "g-1"), carrier_of(broker, "g-2")) as (one, two):
        one.carrier.carry(message(b"new"))
        await until(lambda: two.arrived)
        assert two.payloads == [b"new"]
        assert two.carrier.garbled == 0


async def test_what_is_carried_before_it_runs_waits(broker: MemoryBroker) -> None:
    """Plugins publish in ``initialize``."""
    early = carrier_of(broker, "g-1")
    early.carry(message(b"early"))
    async with running(carrier_of(broker, "g-2")) as (two,), running(early):
        await until(lambda: two.arrived)


@pytest.mark.parametrize("garbage", [b"", b"\xff", b"\x90", b"\x92\xa1g\x01", b"{}", b"\x00" * 1000])
async def test_records_that_are_no_messages_are_passed_over(broker: MemoryBroker, garbage: bytes) -> None:
    """Whoever wrote them; counted."""
    async with running(carrier_of(broker, "g-1"), carrier_of(broker, "g-2")) as (one, two):
        broker.append([Record(TOPIC.name, b"t", garbage), Record(TOPIC.name, b"t", None)])
        one.carrier.carry(message(b"good"))
        await until(lambda: two.arrived)
        assert two.payloads == [b"good"]
        assert two.carrier.garbled == 2


async def test_without_kafka_the_oldest_give_way_and_it_goes_on_when_it_is_back(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits, memory is bounded, the log has one line a side; what may have arrived is not sent again."""
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(module, "_MAX_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(module, "_MAX_WAITING", 10)
    broker.error = EventLogError("Kafka is away")
    with capture_logs() as lines:
        async with running(carrier_of(broker, "g-1"), carrier_of(broker, "g-2")) as (one, two):
            for number in range(25):
                one.carrier.carry(message(b"%d" % number))
            assert one.carrier.dropped == 15
            await until(lambda: one.carrier.dropped == 25)
            tail = two.carrier._tail
            assert isinstance(tail, MemoryTail)
            await until(lambda: tail.polls > 10)
            broker.error = None
            while not two.arrived:
                one.carrier.carry(message(b"back"))
                await asyncio.sleep(0.001)
    assert set(two.payloads) == {b"back"}
    assert sorted({line["event"] for line in lines}) == sorted([
        "plugin messages not carried to other gateways", "plugin messages of other gateways not heard",
    ])  # fmt: skip
    assert len(lines) == 3  # one sends, two hear


async def test_what_waits_is_bounded_in_bytes_too(broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large messages as many."""
    monkeypatch.setattr(module, "_MAX_WAITING_BYTES", 3000)
    carrier = carrier_of(broker, "g-1")
    for _ in range(10):
        carrier.carry(message(b"v" * 1000))
    assert carrier.dropped == 8
    assert carrier._waiting_bytes <= 3000


def test_without_kafka_nothing_is_carried_and_its_client_not_loaded() -> None:
    """A gateway alone pays nothing."""
    assert open_message_carrier(Settings()) is None
    code = "import sys; import gateway.plugin_services.message_carrier; sys.exit('aiokafka' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[3]).returncode == 0


@pytest.mark.kafka
async def test_over_a_real_kafka(kafka_server: Kafka, unique_name: str) -> None:
    """The largest payload arrives whole, from one gateway to another, once."""
    kafka = {
        "bootstrap_servers": kafka_server.bootstrap_servers, "single_broker": True, "namespace": unique_name,
        "partitions": 2, "request_timeout_seconds": 5,
    }  # fmt: skip
    carriers = []
    for name in ("g-1", "g-2"):
        carrier = open_message_carrier(Settings.model_validate({"kafka": kafka, "gateway": {"id": name}}))
        assert isinstance(carrier, LogCarrier)
        carriers.append(carrier)
    async with running(*carriers) as (one, two):
        while not two.arrived:
            one.carrier.carry(message(b"hello"))
            await asyncio.sleep(0.05)
        largest = b"\xff" * one.carrier.max_payload_bytes
        one.carrier.carry(message(largest, "t" * 200))
        await until(lambda: two.payloads[-1] == largest)
        assert one.arrived == []
        assert two.payloads.count(largest) == 1
        assert one.carrier.dropped == 0
