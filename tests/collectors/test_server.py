"""Health and metrics over real HTTP: three pages that tell the truth about every service of the process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from collectors.alerts import Alerts
from collectors.assembly import OpenEntry, assemble
from collectors.entries import DatabaseEntry
from collectors.errors import Halt
from collectors.health import LIVE_SECONDS
from collectors.metrics import CollectorMetrics
from collectors.outcomes import Role
from collectors.plans import plan_of
from collectors.server import PROGRESS_SECONDS, HealthServer, PortTakenError
from collectors.service import Service
from collectors.settings import HostSettings, ServerSettings
from collectors.writer import SINK
from sluice.eventlog.interface import StoredRecord
from tests.collectors.events import NOW_MICROS, partition_of
from tests.collectors.fakes import FakeLog, FakeSink, FakeSource

ANY_PORT = ServerSettings(port=0)


class Clock:
    """Turned by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0


@dataclass
class Bench:
    """Services that are not run, and a server that listens."""

    clock: Clock
    services: list[Service]
    metrics: CollectorMetrics
    session: aiohttp.ClientSession
    url: str = ""

    async def json(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self.session.get(self.url + path) as response:
            return response.status, await response.json()


def services_on(clock: Clock, metrics: CollectorMetrics, *names: str) -> list[Service]:
    """Services on fakes, each ready."""
    log = FakeLog(FakeSink())
    made = []
    for name in names:
        entry = DatabaseEntry.model_validate({"name": name, "path": "sink://database"})
        service = Service(
            plan_of([entry]),
            HostSettings(),
            metrics,
            open_source=lambda _subscription: FakeSource(log),
            open_publisher=lambda _service: log,
            drain_seconds=1.0,
            clock=lambda: clock.seconds,
            wall_clock=lambda: NOW_MICROS,
        )
        service.health.is_running = True
        made.append(service)
    return made


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Two services, ``a`` and ``b``."""
    clock, metrics = Clock(), CollectorMetrics()
    services = services_on(clock, metrics, "a", "b")
    server = HealthServer(ANY_PORT, services, metrics)
    async with aiohttp.ClientSession() as session:
        yield Bench(clock, services, metrics, session, await server.start())
    await server.close()


def give_life(service: Service, age_seconds: float) -> None:
    """Let it have one unfinished record of that age."""
    sink = FakeSink()
    log = FakeLog(sink)
    opened = [OpenEntry(service.plan.first, Role.REPLACES, sink, SINK)]
    life = assemble(service, FakeSource(log), opened, log, Alerts(log, "t", service.name))
    life.tracker.assign([partition_of()])
    lane = life.tracker.lane(partition_of())
    assert lane is not None
    lane.deliver([StoredRecord(*partition_of(), 0, int(NOW_MICROS / 1_000 - age_seconds * 1_000), None, b"")])
    service._life = life


async def test_all_is_well(bench: Bench) -> None:
    """200 and the same description on both pages."""
    for path in ("/health", "/ready"):
        status, body = await bench.json(path)
        assert (status, body["status"]) == (200, "ok")
        assert set(body["services"]) == {"a", "b"}
        assert body["services"]["a"] == {
            "live": True,
            "ready": True,
            "halted": False,
            "paused": False,
            "progressing": True,
            "oldest_unfinished_seconds": 0.0,
            "causes": {},
        }


async def test_one_unready_service_makes_the_process_unready_and_not_unhealthy(bench: Bench) -> None:
    """A halt is no reason to be killed for: nothing would be better afterwards. Its cause is shown."""
    bench.services[1].health.halt("sink", Halt("403", "grant it"))
    assert (await bench.json("/health"))[0] == 200
    status, body = await bench.json("/ready")
    assert (status, body["status"]) == (503, "not ok")
    assert body["services"]["a"]["ready"] is True
    assert body["services"]["b"]["halted"] is True
    assert body["services"]["b"]["causes"] == {"sink": "403; grant it"}


async def test_one_dead_loop_makes_the_process_unhealthy(bench: Bench) -> None:
    """A service whose intake has not come round within its bound is not alive, whatever the other does."""
    bench.clock.seconds += LIVE_SECONDS + 1
    bench.services[0].health.tick()
    status, body = await bench.json("/health")
    assert status == 503
    assert [body["services"][name]["live"] for name in ("a", "b")] == [True, False]


@pytest.mark.parametrize(("age", "progressing"), [(PROGRESS_SECONDS, True), (PROGRESS_SECONDS + 1, False)])
async def test_whether_anything_moves_is_shown(bench: Bench, *, age: float, progressing: bool) -> None:
    """The oldest unfinished record tells; it changes no status, as a sink that is away is no fault of ours."""
    give_life(bench.services[0], age)
    status, body = await bench.json("/health")
    assert status == 200
    assert body["services"]["a"]["oldest_unfinished_seconds"] == pytest.approx(age, abs=0.01)
    assert body["services"]["a"]["progressing"] is progressing


async def test_metrics_are_of_this_moment(bench: Bench) -> None:
    """Gauges are brought up to date when they are read, in the type that Prometheus expects."""
    give_life(bench.services[0], 7.0)
    bench.services[1].health.is_running = False
    async with bench.session.get(bench.url + "/metrics") as response:
        text = await response.text()
        assert response.status == 200
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'sluice_collector_ready{service="a"} 1' in text
    assert 'sluice_collector_ready{service="b"} 0' in text
    assert 'sluice_collector_oldest_unfinished_seconds{service="a"} 7' in text
    assert "# TYPE sluice_collector_records_total counter" in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/health/../etc/passwd", 404), ("POST", "/health", 405), ("HEAD", "/ready", 200)],
)
async def test_there_is_nothing_else(bench: Bench, method: str, path: str, status: int) -> None:
    """Pages to read; nothing but a pause can be sent, and no file is served."""
    async with bench.session.request(method, bench.url + path) as response:
        assert response.status == status


@pytest.mark.parametrize("garbage", [b"\x00\xff\x16\x03\x01\r\n\r\n", b"GET " + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n"])
async def test_garbage_does_not_stop_the_server(bench: Bench, garbage: bytes) -> None:
    """A port scanner is answered or cut off, and the next question is answered."""
    host, port = bench.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(garbage)
    async with asyncio.timeout(60):
        await reader.read(65_536)
    writer.close()
    assert (await bench.json("/ready"))[0] == 200


async def test_each_service_has_its_own_pages(bench: Bench) -> None:
    """Its health, its readiness and its metrics, whatever the others suffer from; one that is not there is named."""
    bench.services[1].health.halt("sink", Halt("403", "grant it"))
    assert (await bench.json("/services/a/ready"))[0] == 200
    assert (await bench.json("/services/b/ready"))[0] == 503
    assert (await bench.json("/services/b/health"))[0] == 200
    async with bench.session.get(bench.url + "/services/b/metrics") as response:
        text = await response.text()
    assert 'sluice_collector_halted{service="b"} 1' in text
    assert 'service="a"' not in text
    assert "sluice_collector_loop_lag_seconds" not in text, "that is the process's"
    status, body = await bench.json("/services/c/ready")
    assert (status, body["error"]) == (404, "no service 'c' in this process; there are: a, b")


async def test_services_are_described(bench: Bench) -> None:
    """One document each, alone or in a list: who it is, where it stands, what came of its records."""
    bench.metrics.of("a").finished("delivered", 5)
    status, body = await bench.json("/services")
    assert (status, [each["service"] for each in body["services"]]) == (200, ["a", "b"])
    status, alone = await bench.json("/services/a")
    assert (alone["group"], alone["outcomes"], alone["state"]) == ("sluice.a", {"delivered": 5}, "running")


async def test_a_service_is_paused_and_resumed(bench: Bench) -> None:
    """By POST with JSON from this host; it shows on its pages, in its metrics, and touches no other."""
    headers = {"content-type": "application/json"}
    for action, is_paused in (("pause", True), ("pause", True), ("resume", False), ("resume", False)):
        async with bench.session.post(f"{bench.url}/services/a/{action}", headers=headers) as response:
            assert (response.status, (await response.json())["paused"]) == (200, is_paused)
        assert [each.health.is_paused for each in bench.services] == [is_paused, False]
        status, body = await bench.json("/services/a/ready")
        assert (status, "paused" in body["services"]["a"]["causes"]) == (503 if is_paused else 200, is_paused)
        async with bench.session.get(bench.url + "/metrics") as response:
            assert f'sluice_collector_paused{{service="a"}} {int(is_paused)}' in await response.text()
    async with bench.session.post(f"{bench.url}/services/c/pause", headers=headers) as response:
        assert response.status == 404
    async with bench.session.get(f"{bench.url}/services/a/pause") as response:
        assert response.status == 405


async def test_who_may_not_pause_changes_nothing(bench: Bench) -> None:
    """Whatever is refused has had no effect, and says why."""
    async with bench.session.post(f"{bench.url}/services/a/pause", data={"form": "1"}) as response:
        assert (response.status, "content-type" in (await response.json())["error"]) == (415, True)
    assert not bench.services[0].health.is_paused


async def test_a_process_without_services_is_well() -> None:
    """Nothing is wrong where nothing runs."""
    server = HealthServer(ANY_PORT, [], CollectorMetrics())
    url = await server.start()
    async with aiohttp.ClientSession() as session, session.get(url + "/ready") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok", "services": {}})
    await server.close()


async def test_a_taken_port_names_key_and_remedy() -> None:
    """The one line says which address, and what to set; nothing is left half open."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = HealthServer(ServerSettings(port=port), [], CollectorMetrics())
        with pytest.raises(PortTakenError) as caught:
            await server.start()
        assert f"127.0.0.1:{port}" in str(caught.value)
        assert "server.port" in str(caught.value)
        assert server._runner is None
        await server.close()


async def test_an_address_that_is_not_ours_is_refused() -> None:
    """TEST-NET-1 is nobody's: the same error, not a crash."""
    server = HealthServer(ServerSettings(host="192.0.2.1", port=0), [], CollectorMetrics())
    with pytest.raises(PortTakenError, match=r"192\.0\.2\.1"):
        await server.start()


async def test_a_closed_server_frees_its_port() -> None:
    """Twice closed is closed, and another may listen there at once."""
    server = HealthServer(ANY_PORT, [], CollectorMetrics())
    await server.close()
    url = await server.start()
    await server.close()
    await server.close()
    again = HealthServer(ServerSettings(port=int(url.rpartition(":")[2])), [], CollectorMetrics())
    assert await again.start() == url
    await again.close()


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback")
async def test_the_url_of_an_ipv6_address_can_be_opened() -> None:
    """Whatever host is set, what ``start`` returns is where it listens."""
    server = HealthServer(ServerSettings(host="::1", port=0), [], CollectorMetrics())
    url = await server.start()
    try:
        assert url.startswith("http://[::1]:")
        async with aiohttp.ClientSession() as session, session.get(url + "/ready") as response:
            assert response.status == 200
    finally:
        await server.close()
