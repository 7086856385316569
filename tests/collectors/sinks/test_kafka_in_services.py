"""The Kafka sink at the end of the whole path: brokers that are killed in the middle, rights that come late."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.fakes import until
from tests.collectors.sinks.in_services import SECONDS, Services
from tests.collectors.sinks.kafka.topics import shown_topic
from tests.integration.outages import kafka_killed
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import records_in
from tests.sluice.eventlog.kafka.securing import USERS, Secured

PARTITIONS = 2
LONG = 60.0


def services_of(folder: Path, topic: str, cluster: dict[str, Any]) -> Services:
    """A gateway's journal on one side, the topic on the other."""
    config = {"topic": topic, "cluster": {"request_timeout_seconds": 2, **cluster}}
    return Services(folder, [{"name": "copy", "path": "sink://kafka", "config": config}], {}, {})


async def ids_in(kafka: Kafka, topic: str) -> Counter[str]:
    """How often each event lies there."""
    return Counter(dict(record.headers)["ce_id"].decode() for record in await records_in(kafka, topic, PARTITIONS))


pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def what_a_crash_leaves_open() -> Iterator[None]:
    """A connection that is cut off as it is opened is closed by nobody but the end of its process: here it is now."""
    yield
    gc.collect()


async def test_a_crash_is_at_least_once_and_a_stop_is_exact(
    tmp_path: Path, kafka_server: Kafka, unique_name: str
) -> None:
    """Every event is there; what comes twice came with the crash."""
    await shown_topic(kafka_server, unique_name, PARTITIONS)
    services = services_of(tmp_path, unique_name, {"bootstrap_servers": kafka_server.bootstrap_servers})
    await services.write(50)
    async with services.running():
        await services.until_finished(150)
    assert await ids_in(kafka_server, unique_name) == Counter(services.ids)
    last = await services.write(50)
    async with services.running(crashes=True):
        await until(lambda: services.ended("copy", "copy") > 0, SECONDS)
    left = await services.unacknowledged()
    async with services.running():
        await services.until_finished(left)
    assert await services.unacknowledged() == 0
    found = await ids_in(kafka_server, unique_name)
    assert set(found) == set(services.ids)
    assert {name for name, count in found.items() if count > 1} <= set(last)


async def test_a_broker_that_is_killed_in_mid_write(tmp_path: Path, kafka_server: Kafka, unique_name: str) -> None:
    """Nothing is lost and nothing acknowledged meanwhile; the breaker opens, and closes when the broker is back."""
    await shown_topic(kafka_server, unique_name, PARTITIONS)
    services = services_of(tmp_path, unique_name, {"bootstrap_servers": kafka_server.bootstrap_servers})
    async with services.running():
        service = services.services["copy"]
        await services.write(30)
        await services.until_finished(90)
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(services.write(600))
            await until(lambda: services.finished("copy") > 90, SECONDS)
            async with kafka_killed(kafka_server):
                await writing
                await until(lambda: service.health.has("sink"), LONG)
                delivered = services.finished("copy")
                assert delivered < 3 * 630
                await until(lambda: services.metrics.breaker_open.value("copy", "copy") == 1, LONG)
                assert services.finished("copy") == delivered
        await until(lambda: services.finished("copy") == 3 * 630, LONG)
        await until(lambda: service.health.is_ready, LONG)
        assert services.metrics.breaker_open.value("copy", "copy") == 0
    found = await ids_in(kafka_server, unique_name)
    assert set(found) == set(services.ids)
    assert await services.unacknowledged() == 0


async def test_rights_that_come_late_on_a_secured_cluster(tmp_path: Path, secured: Secured, unique_name: str) -> None:
    """Without them it is halted and names what is missing; with them it goes on by itself. No password is shown."""
    await shown_topic(secured.kafka.server, unique_name, PARTITIONS)
    cluster = {
        "bootstrap_servers": secured.kafka.address("SASL_SSL"),
        "security_protocol": "SASL_SSL",
        "ca_file": secured.ca_file,
        "username": "alice",
        "password": USERS["alice"],
    }
    services = services_of(tmp_path, unique_name, cluster)
    await services.write(20)
    async with services.running():
        service = services.services["copy"]
        await until(lambda: service.health.is_halted_at("sink"), LONG)
        assert unique_name in service.health.causes["sink"]
        await secured.allow("topic", unique_name, "describe")
        await until(lambda: "Write" in service.health.causes.get("sink", ""), LONG)
        assert services.finished("copy") == 0
        assert USERS["alice"] not in str(service.health.causes)
        await secured.allow("topic", unique_name, "write")
        await services.until_finished(60)
    assert await ids_in(secured.kafka.server, unique_name) == Counter(services.ids)


async def test_a_wrong_password_halts_or_waits_and_is_named(tmp_path: Path, secured: Secured, unique_name: str) -> None:
    """The message says what to check; nothing is acknowledged, and a stop does not wait for it."""
    cluster = {
        "bootstrap_servers": secured.kafka.address("SASL_SSL"),
        "security_protocol": "SASL_SSL",
        "ca_file": secured.ca_file,
        "username": "alice",
        "password": "not-hers",
    }
    services = services_of(tmp_path, unique_name, cluster)
    await services.write(2)
    loop = asyncio.get_running_loop()
    async with services.running():
        service = services.services["copy"]
        await until(lambda: service.health.has("sink"), LONG)
        assert "username" in service.health.causes["sink"]
        assert "not-hers" not in str(service.health.causes)
        began = loop.time()
    assert loop.time() - began < 10
    assert await services.unacknowledged() == 6
