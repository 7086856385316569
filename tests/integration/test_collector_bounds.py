"""What a collector may cost while events come at a rate: its lag, its memory, and what a dead sink changes."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from schemas.cloudevents import cloudevent_headers
from schemas.codec import encode_exchange, published_schemas
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.dev.servers.process import ServerProcess
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.settings import KafkaSettings, LogSettings
from tests.benchmarks import collectors as bench
from tests.integration.service import Service, descendants
from tests.integration.stack import PARTITIONS, write_yaml
from tests.integration.waiting import until
from tests.servers import Kafka

MAX_LAG_SECONDS = 1.0
MAX_RSS_MIB = 250
FLAT_MIB = 10
"""By so much the last third of a run may be above the one before it: Python's heap breathes."""

_TICK_SECONDS = 0.05
_START_SECONDS = 40.0
_TRIES = 3


class Load:
    """Publishes analytics events at a steady rate and remembers how many were acknowledged."""

    def __init__(self, kafka: Kafka, name: str) -> None:
        self.published = 0
        self._topics = Topics(name, PARTITIONS)
        self._settings = KafkaSettings(bootstrap_servers=kafka.address, single_broker=True, namespace=name)
        self._producer = AIOKafkaProducer(bootstrap_servers=kafka.address, acks="all", linger_ms=5)

    async def start(self) -> None:
        await ensure_topics(LogSettings(kafka=self._settings), self._topics)
        await self._producer.start()
        for fingerprint, schema in published_schemas():
            await self._producer.send_and_wait(self._topics.schema.name, schema, key=fingerprint)

    async def run(self, events_per_second: int, seconds: float) -> None:
        """Each twentieth of a second its share; a machine that is late catches up."""
        began, sent = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            wanted = int(passed * events_per_second)
            acknowledgements = [await self._send(number) for number in range(sent, wanted)]
            if acknowledgements:
                await asyncio.wait(acknowledgements)
            sent = wanted
            self.published = sent
            await asyncio.sleep(_TICK_SECONDS)

    async def _send(self, number: int) -> Any:
        topic = self._topics.event("analytics").name
        event = encode_exchange(bench.common_fields(now_micros()), None, bench.analytics_fields())[0]
        headers = cloudevent_headers(topic, event.event_id, "gateway-1", event.occurred_at)
        return await self._producer.send(topic, event.value(number), headers=headers, partition=number % PARTITIONS)

    async def close(self) -> None:
        await self._producer.stop()


@asynccontextmanager
async def null_bulk(folder: Path) -> AsyncIterator[str]:
    """A server that takes every bulk, in a process of its own."""
    port = free_port()
    script = Path(bench.__file__).with_name("null_bulk.py")
    process = ServerProcess(
        "null_bulk", [sys.executable, str(script), str(port)], folder=folder, log_path=folder / "null.log", uid=None
    )
    process.launch()
    try:
        url = f"http://{LOOPBACK}:{port}"
        await until(lambda: _documents(url) is not None, _START_SECONDS, "null_bulk listens")
        yield url
    finally:
        await asyncio.to_thread(process.stop)


def _documents(url: str) -> int | None:
    try:
        return int(httpx.get(f"{url}/__count", timeout=2).json()["documents"])
    except httpx.TransportError:
        return None


def entry(name: str, url: str) -> dict[str, Any]:
    """A service of its own."""
    indices = {"analytics": f"{name}-analytics"}
    config = {"elasticsearch_url": url, "indices": indices, "timeout": 2}
    return {"name": name, "path": "sink://elasticsearch", "hook_types": ["analytics"], "config": config}


@asynccontextmanager
async def collecting(folder: Path, kafka: Kafka, name: str, entries: list[dict[str, Any]]) -> AsyncIterator[Service]:
    """``sluice collect`` on these entries."""
    log = {"bootstrap_servers": kafka.address, "namespace": name, "partitions": PARTITIONS, "single_broker": True}
    host = write_yaml(folder / "sluice.yaml", {"data_dir": str(folder / "data"), "kafka": log})
    port = free_port()
    settings = {"data_collection_plugins": entries, "server": {"port": port}}
    chosen = write_yaml(folder / "collectors.yaml", settings)
    arguments = ["collect", "--config", str(host), "--collectors", str(chosen)]
    service = Service("collect", arguments, folder=folder, url=f"http://{LOOPBACK}:{port}", ready="/health")
    try:
        await service.start()
        yield service
    finally:
        await service.close()


def rss_mib(service: Service) -> float:
    """Of all its processes but the keeper, which is the test's own."""
    pages = 0
    for pid in descendants(service._process.pid):
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def lag_behind(load: Load, url: str, before: int) -> float:
    """Seconds from the last acknowledgement of four seconds' events until the sink has all, and no more than those."""
    await load.run(1_000, 4.0)
    ended, total = time.monotonic(), before + load.published
    await until(lambda: (_documents(url) or 0) >= total, _START_SECONDS, "all events arrived")
    lag = time.monotonic() - ended
    assert _documents(url) == total
    return lag


async def test_lag_at_a_thousand_events_a_second(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """From the last acknowledgement of the log until the sink has all: a second at most, the best of
    three tries, beside a sink that is dead."""
    load = Load(kafka_server, unique_name)
    await load.start()
    dead = f"http://{LOOPBACK}:{free_port()}"
    async with null_bulk(tmp_path) as url:
        entries = [entry("dead", dead), entry("alive", url)]
        async with collecting(tmp_path, kafka_server, unique_name, entries) as service:
            await load.run(200, 1.0)  # its partitions are assigned, its schemas read
            first = load.published
            await until(lambda: _documents(url) == first, _START_SECONDS, "the first events arrived")
            lags = [await lag_behind(load, url, first)]
            while lags[-1] > MAX_LAG_SECONDS and len(lags) < _TRIES:  # a machine that is busy is not busy each time
                lags.append(await lag_behind(load, url, _documents(url) or 0))
            assert min(lags) <= MAX_LAG_SECONDS, lags
            assert service.is_running
    await load.close()


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(60.0, id="minute", marks=pytest.mark.timeout(240)),
        pytest.param(600.0, id="ten", marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
async def test_memory_while_the_sink_is_down(
    kafka_server: Kafka, unique_name: str, tmp_path: Path, seconds: float
) -> None:
    """At 2,000 events a second that nobody takes, it holds what ``flow`` allows and then no more: flat, and below."""
    load = Load(kafka_server, unique_name)
    await load.start()
    sizes: list[float] = []
    entries = [entry("dead", f"http://{LOOPBACK}:{free_port()}")]
    async with collecting(tmp_path, kafka_server, unique_name, entries) as service, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(load.run(2_000, seconds))
        while not running.done():
            sizes.append(rss_mib(service))
            await asyncio.sleep(0.5)
        assert service.is_running
    await load.close()
    third = len(sizes) // 3
    assert load.published >= 0.9 * 2_000 * seconds
    assert max(sizes) <= MAX_RSS_MIB
    assert max(sizes[-third:]) - max(sizes[-2 * third : -third]) <= FLAT_MIB, sizes
