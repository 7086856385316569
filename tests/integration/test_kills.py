"""The promise, end to end: kill -9 anything while exchanges go on; afterwards every account agrees."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.dev.servers.server import Server
from tests.integration.stack import Stack
from tests.integration.traffic import Traffic
from tests.servers import Elasticsearch, Kafka

EXCHANGES = 2_000
SETTLE_SECONDS = 120.0
CHAOS_KILLS = 15


@pytest.fixture(autouse=True)
def servers_are_up_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that fails between kill and restart must not fail those behind it."""
    yield
    for name in ("kafka_server", "elasticsearch_server"):
        server = request.getfixturevalue(name) if name in request.fixturenames else None
        if isinstance(server, Server) and not server.is_running:
            server.restart()


@pytest.mark.timeout(600)
async def test_nothing_is_lost_or_counted_twice(
    kafka_server: Kafka, elasticsearch_server: Elasticsearch, unique_name: str, tmp_path: Path
) -> None:
    """Two workers, collector, Kafka and Elasticsearch are each killed and started again under mixed traffic."""
    stack = Stack(tmp_path, unique_name, kafka=kafka_server, elasticsearch=elasticsearch_server, workers=2)
    async with stack.running():
        traffic = Traffic(stack.url, seed=1, pause_seconds=0.01)
        async with traffic.flowing():
            await traffic.more(150, 120)
            await stack.gateway.kill_worker("w0")
            await traffic.more(150, 120)
            await stack.collector.kill()
            await asyncio.to_thread(kafka_server.kill)
            await traffic.more(150, 120)
            await asyncio.to_thread(kafka_server.restart)
            await stack.collector.start()
            await stack.gateway.kill_worker("w1")
            await traffic.more(150, 120)
            await asyncio.to_thread(elasticsearch_server.kill)
            await traffic.more(100, 120)
            await asyncio.to_thread(elasticsearch_server.restart)
            await stack.gateway.kill()
            await stack.gateway.start()
            await traffic.reach(EXCHANGES, 240)
        await stack.until_the_ledger_holds(traffic.accounts, SETTLE_SECONDS)


@pytest.mark.timeout(400)
async def test_the_same_without_kafka(unique_name: str, tmp_path: Path) -> None:
    """The journal is the event log, the events database the sink: worker, gateway and collector are killed."""
    stack = Stack(tmp_path, unique_name, workers=2)
    async with stack.running():
        traffic = Traffic(stack.url, seed=2, pause_seconds=0.01)
        async with traffic.flowing():
            await traffic.more(150, 120)
            await stack.gateway.kill_worker("w0")
            await traffic.more(150, 120)
            await stack.collector.kill()
            await stack.gateway.kill_worker("w1")
            await traffic.more(150, 120)
            await stack.collector.start()
            await stack.gateway.kill()
            await stack.gateway.start()
            await traffic.reach(EXCHANGES, 240)
        await stack.until_the_ledger_holds(traffic.accounts, SETTLE_SECONDS)


@pytest.mark.timeout(400)
async def test_fewer_workers_inherit_a_backlog(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """Four workers fill their journals while Kafka is away; two that start later carry all of it."""
    stack = Stack(tmp_path, unique_name, kafka=kafka_server, workers=4)
    async with stack.running():
        await asyncio.to_thread(kafka_server.kill)
        traffic = Traffic(stack.url, seed=3, clients=(1, 2, 3), pause_seconds=0.01)
        async with traffic.flowing():
            await traffic.more(150, 120)
        await stack.gateway.kill()
        stack.gateway = stack.make_gateway(2)
        await asyncio.to_thread(kafka_server.restart)
        await stack.gateway.start()
        await stack.until_the_ledger_holds(traffic.accounts, SETTLE_SECONDS)


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
async def test_chaos(
    kafka_server: Kafka, elasticsearch_server: Elasticsearch, unique_name: str, tmp_path: Path, seed: int
) -> None:
    """Whatever is killed in whatever order, one after the other under traffic: afterwards the ledger holds."""
    stack = Stack(tmp_path, unique_name, kafka=kafka_server, elasticsearch=elasticsearch_server, workers=2)
    chance = random.Random(seed)

    async def gateway() -> None:
        await stack.gateway.kill()
        await stack.gateway.start()

    async def collector() -> None:
        await stack.collector.kill()
        await stack.collector.start()

    async def kafka() -> None:
        await asyncio.to_thread(kafka_server.kill)
        await traffic.more(chance.randrange(20, 200), 60)
        await asyncio.to_thread(kafka_server.restart)

    async def elasticsearch() -> None:
        await asyncio.to_thread(elasticsearch_server.kill)
        await traffic.more(chance.randrange(20, 200), 60)
        await asyncio.to_thread(elasticsearch_server.restart)

    async def worker() -> None:
        await stack.gateway.kill_worker(chance.choice(("w0", "w1")))

    async with stack.running():
        traffic = Traffic(stack.url, seed=100 + seed, pause_seconds=0.01)
        async with traffic.flowing():
            for _ in range(CHAOS_KILLS):
                await traffic.more(chance.randrange(50, 300), 60)
                await chance.choice((worker, worker, gateway, collector, kafka, elasticsearch))()
            await traffic.more(200, 60)
        await stack.until_the_ledger_holds(traffic.accounts, SETTLE_SECONDS)
