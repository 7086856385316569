"""The promise, end to end: kill -9 anything while exchanges go on; afterwards every account agrees."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.dev.servers.server import Server
from tests.integration.stack import Stack
from tests.integration.traffic import Traffic
from tests.servers import Elasticsearch, Kafka

EXCHANGES = 2_000
SETTLE_SECONDS = 90.0


@pytest.fixture(autouse=True)
def servers_are_up_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that fails between kill and restart must not fail those behind it."""
    yield
    for name in ("kafka_server", "elasticsearch_server"):
        server = request.getfixturevalue(name) if name in request.fixturenames else None
        if isinstance(server, Server) and not server.is_running:
            server.restart()


@pytest.mark.timeout(300)
async def test_nothing_is_lost_or_counted_twice(
    kafka_server: Kafka, elasticsearch_server: Elasticsearch, unique_name: str, tmp_path: Path
) -> None:
    """Two workers, collector, Kafka and Elasticsearch are each killed and started again under mixed traffic."""
    stack = Stack(tmp_path, unique_name, kafka=kafka_server, elasticsearch=elasticsearch_server, workers=2)
    async with stack.running():
        traffic = Traffic(stack.url, seed=1, pause_seconds=0.01)
        async with traffic.flowing():
            await traffic.more(150, 60)
            await stack.gateway.kill_worker("w0")
            await traffic.more(150, 60)
            await stack.collector.kill()
            await asyncio.to_thread(kafka_server.kill)
            await traffic.more(150, 60)
            await asyncio.to_thread(kafka_server.restart)
            await stack.collector.start()
            await stack.gateway.kill_worker("w1")
            await traffic.more(150, 60)
            await asyncio.to_thread(elasticsearch_server.kill)
            await traffic.more(100, 60)
            await asyncio.to_thread(elasticsearch_server.restart)
            await stack.gateway.kill()
            await stack.gateway.start()
            await traffic.reach(EXCHANGES, 120)
        await stack.until_the_ledger_holds(traffic.accounts, SETTLE_SECONDS)


@pytest.mark.timeout(150)
async def test_the_same_without_kafka(unique_name: str, tmp_path: Path) -> None:
    """The journal is the event log, the events database the sink: worker, gateway and collector are killed."""
    stack = Stack(tmp_path, unique_name, workers=2)
    async with stack.running():
        traffic = Traffic(stack.url, seed=2, clients=(1, 2, 3), pause_seconds=0.01)
        async with traffic.flowing():
            await traffic.more(60, 60)
            await stack.gateway.kill_worker("w0")
            await traffic.more(60, 60)
            await stack.collector.kill()
            await stack.gateway.kill_worker("w1")
            await traffic.more(60, 60)
            await stack.collector.start()
            await stack.gateway.kill()
            await stack.gateway.start()
            await traffic.reach(300, 60)
        await stack.until_the_ledger_holds(traffic.accounts, SETTLE_SECONDS)


@pytest.mark.timeout(150)
async def test_fewer_workers_inherit_a_backlog(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """Four workers fill their journals while Kafka is away; two that start later carry all of it."""
    stack = Stack(tmp_path, unique_name, kafka=kafka_server, workers=4)
    async with stack.running():
        await asyncio.to_thread(kafka_server.kill)
        traffic = Traffic(stack.url, seed=3, clients=(1, 2, 3), pause_seconds=0.01)
        async with traffic.flowing():
            await traffic.more(150, 60)
        await stack.gateway.kill()
        stack.gateway = stack.make_gateway(2)
        await asyncio.to_thread(kafka_server.restart)
        await stack.gateway.start()
        await stack.until_the_ledger_holds(traffic.accounts, SETTLE_SECONDS)
