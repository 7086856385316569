"""Sinks at the end of the whole path: from ``collectors.yaml`` and a gateway's journal to what lies at their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from sluice.clock import now_micros
from tests.collectors.deciding import unacknowledged
from tests.collectors.fakes import until
from tests.collectors.sinks.clickhouse.front import ClickHouseFront
from tests.collectors.sinks.in_services import SECONDS, Services
from tests.collectors.sinks.otlp.receiver import OtlpReceiver
from tests.collectors.sinks.scripted_http import Reply, ScriptedHttp, reply, then
from tests.collectors.sinks.webhook.receiver import Receiver, is_signed

EXCHANGES = 40
EVENTS = 3 * EXCHANGES
SECRET = "a secret"
SERVERS: dict[str, type[Any]] = {"webhook": Receiver, "otlp": OtlpReceiver, "clickhouse": ClickHouseFront}


def entry(name: str, server: ScriptedHttp, **more: Any) -> dict[str, Any]:
    """As an operator writes it; the secret comes from the environment."""
    config = {
        "webhook": {"url": f"{server.url}/hook?key=k", "signing_secret": "${SECRET}", "max_events": 15},
        "otlp": {"endpoint": server.url, "max_events": 15},
        "clickhouse": {"url": server.url, "username": "u", "password": "${SECRET}"},
    }
    return {"name": name, "path": f"sink://{name}", "config": config[name], **more}


def services_of(folder: Path, entries: list[dict[str, Any]]) -> Services:
    """With the one variable they need."""
    return Services(folder, entries, {"SECRET": SECRET}, {})


@pytest.fixture
async def servers() -> AsyncIterator[dict[str, Any]]:
    """One of each, listening."""
    found = {name: make() for name, make in SERVERS.items()}
    for server in found.values():
        await server.start()
    yield found
    for server in found.values():
        await server.close()


async def test_every_event_arrives_through_outages_and_crashes(tmp_path: Path, servers: dict[str, Any]) -> None:
    """Each in a service of its own; away at the start, failing before and after it took something, killed twice."""
    services = services_of(tmp_path, [entry(name, server) for name, server in servers.items()])
    await services.write(EXCHANGES, occurred_at=now_micros())
    for server in servers.values():
        await server.close()
    async with services.running():
        await until(lambda: all(each.health.has("sink") for each in services.services.values()), SECONDS)
    for server in servers.values():
        await server.start()
        # ClickHouse is asked for its tables first
        step = then(server, Reply(cut_at=0))
        server.script.extend([reply(503, headers={"Retry-After": "0"}), step, reply(500), step])
    async with services.running(crashes=True):
        await until(lambda: all(server.ids() for server in servers.values()), SECONDS)
    await services.write(EXCHANGES, occurred_at=now_micros())
    async with services.running(crashes=True):
        await until(lambda: all(len(server.ids()) > EVENTS for server in servers.values()), SECONDS)
    left = {plan.name: await unacknowledged(services.host, plan) for plan in services.plans}
    async with services.running():
        await until(lambda: all(services.finished(name) >= count for name, count in left.items()), SECONDS)
    assert await services.unacknowledged() == 0
    for server in servers.values():
        assert set(server.ids()) == set(services.ids)
    posts = [request for request in servers["webhook"].requests if request.method == "POST"]
    assert all(is_signed(request, SECRET.encode()) for request in posts)
    assert all(request.headers["x-clickhouse-key"] == SECRET for request in servers["clickhouse"].requests)


async def test_a_graceful_stop_leaves_nothing_twice(tmp_path: Path, servers: dict[str, Any]) -> None:
    """What was written is committed before the service ends: the next life begins behind it."""
    services = services_of(tmp_path, [entry(name, server) for name, server in servers.items()])
    for _ in range(3):
        await services.write(10, occurred_at=now_micros())
        async with services.running():
            await services.until_finished(30)
    for name, server in servers.items():
        assert server.ids() == Counter(services.ids), name


async def test_one_that_is_refused_beside_two_that_are_not(tmp_path: Path, servers: dict[str, Any]) -> None:
    """In one service: the others have everything while a credential is wrong; nothing is acknowledged until then."""
    services = services_of(tmp_path, [entry(name, server, service="all") for name, server in servers.items()])
    ids = await services.write(EXCHANGES, occurred_at=now_micros())
    webhook = servers["webhook"]
    webhook.script.extend([reply(401)] * 100_000)
    service = services.services["all"]
    async with services.running(crashes=True):
        await until(lambda: services.ended("all", "otlp") == services.ended("all", "clickhouse") == EVENTS, SECONDS)
        await until(lambda: service.health.is_halted_at("sink webhook"), SECONDS)
        assert services.finished("all") == 0
        assert not service.health.stops_intake
    webhook.script.clear()
    async with services.running():
        await services.until_finished(EVENTS)
    assert webhook.ids() == Counter(ids)
    assert set(servers["otlp"].ids()) == set(servers["clickhouse"].ids()) == set(ids)
    assert await services.unacknowledged() == 0


def _has_ended(services: Services, count: int) -> bool:
    return services.ended("all", "files") == count


@pytest.mark.parametrize("wanted", [{}, {"include": {"apps": [8]}}], ids=["everything", "some"])
async def test_a_file_named_by_offsets_beside_one_that_is_away(
    tmp_path: Path, servers: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """It waits for nothing that only the other owes, is written on through crashes, and holds each event once."""
    files = tmp_path / "files"
    config = {"output_directory": str(files), "format": "jsonl", "max_age": "100ms"}
    services = services_of(
        tmp_path,
        [
            {"name": "files", "path": "sink://file", "service": "all", "config": config, **wanted},
            entry("webhook", servers["webhook"], service="all"),
        ],
    )
    webhook = servers["webhook"]
    webhook.script.extend([reply(503)] * 100_000)
    due: list[str] = []
    for app in (8, 7, 8):
        ids = await services.write(10, occurred_at=now_micros(), app_id=app)
        due += ids if app == 8 or not wanted else []
        async with services.running(crashes=True):
            await until(partial(_has_ended, services, len(due)), SECONDS)  # again after each crash
            assert services.finished("all") == 0
    webhook.script.clear()
    async with services.running():
        await services.until_finished(len(services.ids))
    lines = [line for path in files.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    assert Counter(orjson.loads(line)["event_id"] for line in lines) == Counter(due)
    assert set(webhook.ids()) == set(services.ids)
