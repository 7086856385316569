"""One port for all workers: its pages are true of all, one that does not answer is said, and changes reach each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from collectors.configuration.state import ConfigurationState
from collectors.jobs.folder import JobFolder
from collectors.metrics import CollectorMetrics
from collectors.operations.desk.desk import Desk
from collectors.operations.desk.pages import DeskPages
from collectors.operations.desk.sinks import Sinks
from collectors.server import HealthServer
from collectors.service import Service
from collectors.settings import HostSettings, ServerSettings, Settings
from collectors.workers.front import Front
from collectors.workers.pausing import Paused
from collectors.workers.supervisor import Supervisor
from tests.collectors.fleets import FleetBench, entry_of

JSON = {"content-type": "application/json"}


class Bench:
    """A front, and workers that serve as real ones do, in this process."""

    def __init__(self, folder: Path, monkeypatch: Any, count: int = 2, token: str = "") -> None:
        settings = ServerSettings.model_validate({"port": 0, "token": token})
        supervisor = Supervisor(lambda _: [], count, folder, 1.0)
        self.front = Front(settings, supervisor, data_dir=folder)
        self.fleets = [FleetBench(monkeypatch, entry_of("a"), entry_of("b")) for _ in range(count)]
        self.states = [ConfigurationState("there", "v1") for _ in range(count)]
        self.servers = [
            HealthServer(settings, fleet.fleet.services, fleet.metrics, state, supervisor.socket(index))
            for index, (fleet, state) in enumerate(zip(self.fleets, self.states, strict=True))
        ]

    def service(self, worker: int, name: str) -> Service:
        return self.fleets[worker].service(name)

    def metrics(self, worker: int) -> CollectorMetrics:
        return self.fleets[worker].metrics

    @asynccontextmanager
    async def serving(self, *absent: int) -> AsyncIterator[aiohttp.ClientSession]:
        """All but those."""
        async with AsyncExitStack() as stack:
            for index, server in enumerate(self.servers):
                if index not in absent:
                    await server.start()
                    stack.push_async_callback(server.close)
            url = await self.front.start()
            stack.push_async_callback(self.front.close)
            yield await stack.enter_async_context(aiohttp.ClientSession(url))


async def got(session: aiohttp.ClientSession, path: str) -> tuple[int, dict[str, Any]]:
    """Status and document of a page."""
    async with session.get(path) as answer:
        return answer.status, await answer.json()


async def test_health_is_of_all(tmp_path: Path, monkeypatch: Any) -> None:
    """200 while every worker is well; each service as all do it."""
    bench = Bench(tmp_path, monkeypatch)
    async with bench.serving() as session:
        status, document = await got(session, "/health")
        assert (status, document["status"], document["workers"]) == (200, "ok", {"0": "ok", "1": "ok"})
        assert list(document["services"]) == ["a", "b"]
        assert document["configuration"]["versions"] == ["v1"]
        for worker in (0, 1):
            for name in ("a", "b"):
                bench.service(worker, name).health.is_running = True
        assert (await got(session, "/ready"))[0] == 200
        bench.service(1, "b").health.trouble("sink", "away")
        status, document = await got(session, "/ready")
        assert (status, document["workers"]) == (503, {"0": "ok", "1": "not ok"})
        assert document["services"]["b"]["causes"] == {"worker 1: sink": "away"}
        assert (await got(session, "/services/a/ready"))[0] == 200


async def test_a_worker_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: Any) -> None:
    """It may be starting again: the process as a whole is not well meanwhile, and its pages are of the others."""
    bench = Bench(tmp_path, monkeypatch)
    async with bench.serving(1) as session:
        status, document = await got(session, "/health")
        assert (status, document["workers"]) == (503, {"0": "ok", "1": "does not answer"})
        assert [each["service"] for each in (await got(session, "/services"))[1]["services"]] == ["a", "b"]
    async with Bench(tmp_path, monkeypatch).serving(0, 1) as session:
        assert (await got(session, "/health"))[0] == 503
        assert (await got(session, "/services/a"))[0] == 503
        assert (await got(session, "/services"))[1]["services"] == []


async def test_metrics_say_whose_they_are(tmp_path: Path, monkeypatch: Any) -> None:
    """Each line with its worker; those of one service alone where it is asked for; each head once."""
    bench = Bench(tmp_path, monkeypatch)
    bench.metrics(0).records.add(3, "a", "delivered")
    bench.metrics(1).records.add(4, "a", "delivered")
    bench.states[1].refused = ["bad"]
    async with bench.serving() as session:
        async with session.get("/metrics") as answer:
            text = await answer.text()
        assert 'sluice_collector_records_total{worker="0",service="a",outcome="delivered"} 3' in text
        assert 'sluice_collector_records_total{worker="1",service="a",outcome="delivered"} 4' in text
        assert 'sluice_collector_configuration_stale{worker="1"} 1' in text
        assert text.count("# TYPE sluice_collector_records_total") == 1
        async with session.get("/services/b/metrics") as answer:
            assert 'service="a"' not in await answer.text()


async def test_services_are_one_each(tmp_path: Path, monkeypatch: Any) -> None:
    """As all workers do them; one that there is not is named with those there are."""
    bench = Bench(tmp_path, monkeypatch)
    bench.metrics(0).records.add(3, "a", "delivered")
    bench.metrics(1).records.add(4, "a", "delivered")
    async with bench.serving() as session:
        _, document = await got(session, "/services")
        assert [each["service"] for each in document["services"]] == ["a", "b"]
        assert document["services"][0]["outcomes"] == {"delivered": 7}
        status, document = await got(session, "/services/none")
        assert status == 404
        assert "there are: a, b" in document["error"]
        assert (await got(session, "/services/none/health"))[0] == 404


async def test_a_pause_reaches_every_worker(tmp_path: Path, monkeypatch: Any) -> None:
    """Whoever may ask: the guard stands at the front, and a form of another page does not pass it."""
    bench = Bench(tmp_path, monkeypatch)
    async with bench.serving() as session:
        async with session.post("/services/a/pause") as answer:
            assert answer.status == 415
        assert not bench.service(0, "a").health.is_paused
        async with session.post("/services/a/pause", headers=JSON) as answer:
            assert (await answer.json())["state"] == "paused"
        assert [bench.service(worker, "a").health.is_paused for worker in (0, 1)] == [True, True]
        assert [bench.service(worker, "b").health.is_paused for worker in (0, 1)] == [False, False]
        async with session.post("/services/a/resume", headers=JSON) as answer:
            assert answer.status == 200
        assert [bench.service(worker, "a").health.is_paused for worker in (0, 1)] == [False, False]


async def test_a_token_is_asked_for_at_the_front(tmp_path: Path, monkeypatch: Any) -> None:
    """And nowhere else: the sockets are in a folder that others cannot enter."""
    bench = Bench(tmp_path, monkeypatch, token="hush")
    async with bench.serving() as session:
        async with session.post("/services/a/pause", headers=JSON) as answer:
            assert answer.status == 401
        async with session.post("/services/a/pause", headers={**JSON, "authorization": "Bearer hush"}) as answer:
            assert answer.status == 200
        assert bench.service(1, "a").health.is_paused


async def test_a_pause_that_not_all_heard_is_an_error(tmp_path: Path, monkeypatch: Any) -> None:
    """A worker that runs and does not answer may go on writing: who paused must know. One that is yet to be started
    finds it written down."""
    bench = Bench(tmp_path, monkeypatch)
    supervisor = bench.front._supervisor
    async with bench.serving(1) as session:
        monkeypatch.setattr(type(supervisor), "pids", property(lambda _: {0: 1, 1: 2}))
        async with session.post("/services/a/pause", headers=JSON) as answer:
            document = await answer.json()
            assert (answer.status, document["workers"]["1"]) == (503, "does not answer")
            assert "worker 1 does not answer; ask again" in document["error"]
        monkeypatch.setattr(type(supervisor), "pids", property(lambda _: {0: 1}))
        async with session.post("/services/b/pause", headers=JSON) as answer:
            assert answer.status == 200
        assert Paused(tmp_path).names() == {"a", "b"}
        async with session.post("/services/a/resume", headers=JSON) as answer:
            assert answer.status == 200
        assert Paused(tmp_path).names() == {"b"}


async def test_a_pause_that_nobody_took_is_not_kept(tmp_path: Path, monkeypatch: Any) -> None:
    """Of a service that there is not, or where no worker answers: later workers begin as if nobody had asked."""
    bench = Bench(tmp_path, monkeypatch)
    async with bench.serving() as session, session.post("/services/none/pause", headers=JSON) as answer:
        assert answer.status == 404
    absent = Bench(tmp_path, monkeypatch).serving(0, 1)
    async with absent as session, session.post("/services/a/pause", headers=JSON) as answer:
        assert answer.status == 503
    assert Paused(tmp_path).names() == frozenset()


async def test_the_desk_is_the_supervisor_s_and_sinks_are_asked_by_a_worker(tmp_path: Path, monkeypatch: Any) -> None:
    """Jobs lie in the host's folder; what sinks have is asked of the first worker that answers, and of one alone; none
    of it is told to who does not show the token."""
    bench = Bench(tmp_path, monkeypatch, token="secret")
    asked: list[str] = []

    async def holders(self: Sinks, exchange: str) -> dict[str, Any]:
        asked.append(exchange)
        return {"sinks": [{"sink": "rows"}]}

    monkeypatch.setattr(Sinks, "holders", holders)
    sinks = Sinks(Settings, HostSettings(data_dir=tmp_path))
    for server in bench.servers:
        server._more = (lambda app: DeskPages(None).add_sinks(app, sinks),)
    bench.front._desk = Desk(Path("s.yaml"), Path("c.yaml"), tmp_path)
    JobFolder.begin(tmp_path, "january", {"command": "replay"}).close()
    shown = {**JSON, "authorization": "Bearer secret"}
    async with bench.serving(0) as session:
        for path in ("/desk/jobs", "/desk/sinks/x"):
            async with session.get(path, headers=JSON) as refused:
                assert refused.status == 401
        async with session.get("/desk/jobs", headers=shown) as answer:
            assert [each["job"] for each in (await answer.json())["jobs"]] == ["january"]
        async with session.get("/desk/sinks/an-exchange", headers=shown) as answer:
            assert (await answer.json())["sinks"] == [{"sink": "rows"}]
    assert asked == ["an-exchange"]
