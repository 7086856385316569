"""All services of a process: each on its own, health beside them, and an end within bounds whatever a signal meets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from collectors import process as process_module
from collectors.configuration.file import FileOrigin
from collectors.configuration.opening import begin
from collectors.jobs.folder import is_running
from collectors.operations.desk.desk import Desk
from collectors.process import Process
from collectors.server import PortTakenError
from collectors.service import Service, ServiceFailedError
from collectors.settings import HostSettings, Settings
from collectors.workers.place import WorkerPlace
from tests.collectors.fakes import until

DEADLINE_SECONDS = 20.0
Behaviour = Callable[[Service], Awaitable[None]]


def settings_in(folder: Path, *names: str, **more: Any) -> Settings:
    """An entry for each name, all into databases of their own, on any port."""
    entries = [
        {"name": name, "path": "sink://database", "config": {"url": f"sqlite:///{folder}/{name}.db"}} for name in names
    ]
    return Settings.model_validate({"data_collection_plugins": entries, "server": {"port": 0}, **more})


def process_in(folder: Path, *names: str, **more: Any) -> Process:
    """A process of these services over the journals of a folder."""
    settings = settings_in(folder, *names, **more)
    return Process(settings, HostSettings(data_dir=folder / "data"), settings.services())


@dataclass
class Running:
    """A process that runs, and what it logs."""

    task: asyncio.Task[int]
    lines: list[Any]

    def line(self, event: str) -> dict[str, Any]:
        return next((line for line in self.lines if line["event"] == event), {})

    async def says(self, event: str) -> dict[str, Any]:
        await until(lambda: self.line(event), DEADLINE_SECONDS)
        return self.line(event)

    async def end(self) -> int:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.task


@asynccontextmanager
async def running(process: Process) -> AsyncIterator[Running]:
    """The process from when it serves on; it is cancelled where a test left it running."""
    with structlog.testing.capture_logs() as lines:
        async with asyncio.TaskGroup() as tasks:
            run = Running(tasks.create_task(process.run()), lines)
            await run.says("collectors serve")
            yield run
            run.task.cancel()


async def status(url: str) -> int:
    """What a page answers."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


async def become_ready(url: str) -> None:
    """Ask until the process is ready."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await status(f"{url}/ready") != 200:  # noqa: ASYNC110 - another server would have no event either
            await asyncio.sleep(0.02)


async def hang(_service: Service) -> None:
    """A service that hears no stop."""
    await asyncio.Event().wait()


async def fail(service: Service) -> None:
    """A service that fails for good."""
    raise ServiceFailedError(service.name)


async def obey(service: Service) -> None:
    """A service that ends when it is told to."""
    await service._stopping.wait()


def behave(monkeypatch: pytest.MonkeyPatch, **behaviours: Behaviour) -> None:
    """Let the service of each name do this instead of running."""

    async def run(service: Service) -> None:
        await behaviours[service.name](service)

    monkeypatch.setattr(Service, "run", run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_real_services_well(tmp_path: Path, number: signal.Signals) -> None:
    """Two services over an embedded log are ready on one page; a signal ends both, and the process with 0."""
    async with running(process_in(tmp_path, "a", "b")) as run:
        url = run.line("collectors serve")["url"]
        await become_ready(url)
        os.kill(os.getpid(), number)
        assert await run.end() == 0
        with pytest.raises(aiohttp.ClientConnectionError):
            await status(f"{url}/health")
    assert run.line("collectors stopped")["failed"] == []
    assert (tmp_path / "a.db").is_file()
    assert (tmp_path / "b.db").is_file()


async def test_one_that_fails_does_not_end_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, shown as not ready, and told by the exit code in the end; whoever works goes on working."""
    behave(monkeypatch, bad=fail, good=obey)
    async with running(process_in(tmp_path, "bad", "good")) as run:
        await run.says("service failed for good")
        assert not run.task.done()
        assert await status(run.line("collectors serve")["url"] + "/ready") == 503
        os.kill(os.getpid(), signal.SIGTERM)
        assert await run.end() == 1
    assert run.line("collectors stopped")["failed"] == ["bad"]


@pytest.mark.parametrize("error", [ServiceFailedError("x"), ZeroDivisionError(), ExceptionGroup("g", [OSError()])])
async def test_when_all_have_failed_the_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """By itself, with 1, whatever they failed with: a process without work would only look well."""

    async def raise_it(_service: Service) -> None:
        raise error

    behave(monkeypatch, a=raise_it, b=raise_it)
    async with running(process_in(tmp_path, "a", "b")) as run:
        assert await run.end() == 1
    assert sorted(run.line("collectors stopped")["failed"]) == ["a", "b"]


async def test_services_that_end_by_themselves_end_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a signal and without a failure the code is 0."""

    async def end(_service: Service) -> None:
        return

    behave(monkeypatch, a=end)
    async with running(process_in(tmp_path, "a")) as run:
        assert await run.end() == 0


async def test_a_stop_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that does not end is left after ``shutdown_seconds``; the one that ends is not waited for in vain."""
    behave(monkeypatch, stuck=hang, good=obey)
    began = time.monotonic()
    async with running(process_in(tmp_path, "stuck", "good", shutdown_seconds=0.3)) as run:
        os.kill(os.getpid(), signal.SIGTERM)
        await run.says("collectors stop")
        await run.end()
    assert 0.3 <= time.monotonic() - began < DEADLINE_SECONDS


async def test_a_second_signal_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever presses twice means it: nothing is drained any more, however long the shutdown may take."""
    behave(monkeypatch, stuck=hang)
    async with running(process_in(tmp_path, "stuck", shutdown_seconds=600)) as run:
        os.kill(os.getpid(), signal.SIGINT)
        await run.says("collectors stop")
        assert not run.task.done()
        os.kill(os.getpid(), signal.SIGTERM)
        await run.end()
    assert run.line("collectors stop at once")


async def test_a_stop_reaches_every_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is told once, and none is ready from then on."""
    told: list[str] = []
    real = Service.stop

    def stop(service: Service) -> None:
        told.append(service.name)
        real(service)

    behave(monkeypatch, a=obey, b=obey, c=obey)
    monkeypatch.setattr(Service, "stop", stop)
    async with running(process_in(tmp_path, "a", "b", "c")) as run:
        os.kill(os.getpid(), signal.SIGTERM)
        await run.end()
    assert told == ["a", "b", "c"]


async def test_a_taken_port_stops_before_anything_begins(tmp_path: Path) -> None:
    """No group is joined and no file is made by a process that could not be watched."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = process_in(tmp_path, "a", server={"port": taken.getsockname()[1]})
        with pytest.raises(PortTakenError):
            await process.run()
    assert list(tmp_path.iterdir()) == []


async def test_the_loop_s_lateness_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that is held up shows: it is the one that keeps the memberships alive."""
    behave(monkeypatch, a=obey)
    monkeypatch.setattr(process_module, "_LAG_SECONDS", 0.01)
    process = process_in(tmp_path, "a")
    lag = process._metrics.loop_lag
    async with running(process):
        await until(lambda: lag.value() is not None, DEADLINE_SECONDS)
        held_until = time.monotonic() + 0.2
        while time.monotonic() < held_until:
            pass
        await until(lambda: (lag.value() or 0.0) >= 0.1, DEADLINE_SECONDS, step=0.001)
        await until(lambda: (lag.value() or 0.0) < 0.1, DEADLINE_SECONDS)


@pytest.mark.parametrize(("shutdown", "drain"), [(25.0, 19.0), (7.0, 1.0), (0.1, 1.0)])
def test_draining_leaves_time_for_closing(tmp_path: Path, shutdown: float, drain: float) -> None:
    """What is left of the shutdown's time after leaving the group and closing; never less than a second."""
    [service] = process_in(tmp_path, "a", shutdown_seconds=shutdown)._fleet.services
    assert service.drain_seconds == drain


def test_services_are_named_by_their_entries(tmp_path: Path) -> None:
    """In their order, one for each entry, each with its own health and all with one catalogue."""
    services = process_in(tmp_path, "b", "a", "c")._fleet.services
    assert [service.name for service in services] == ["b", "a", "c"]
    assert len({id(service.health) for service in services}) == 3
    assert len({id(service.metrics.all) for service in services}) == 1


FOLLOWED = """
data_collection_plugins: [{name: %s, path: 'sink://database', config: {url: 'sqlite:///%s/%s.db'}}]
server: {port: 0}
"""


async def following(folder: Path, name: str, worker: WorkerPlace | None = None) -> Process:
    """A process that follows a file."""
    path = folder / "collectors.yaml"
    path.write_text(FOLLOWED % (name, folder, name))
    reloading = await begin(FileOrigin(path), (), HostSettings())
    begun = reloading.running
    host = HostSettings(data_dir=folder / "data")
    return Process(begun.settings, host, begun.plans, folder, reloading, worker)


async def test_a_hangup_has_the_configuration_read(tmp_path: Path) -> None:
    """At once: the pages are of the new services, and say what stands in the way of a configuration."""
    async with running(await following(tmp_path, "a")) as run:
        url = run.line("collectors serve")["url"]
        await become_ready(url)
        (tmp_path / "collectors.yaml").write_text(FOLLOWED % ("b", tmp_path, "b"))
        os.kill(os.getpid(), signal.SIGHUP)
        await run.says("configuration applied")
        await become_ready(url)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{url}/services") as response:
                document = await response.json()
            assert [each["service"] for each in document["services"]] == ["b"]
            assert document["configuration"]["state"] == "current"
            (tmp_path / "collectors.yaml").write_text("data_collection_plugins: [{nam: b}]")
            os.kill(os.getpid(), signal.SIGHUP)
            await run.says("configuration refused, what runs goes on")
            async with session.get(f"{url}/health") as response:
                assert response.status == 200
                assert (await response.json())["configuration"]["state"] == "refused"
            async with session.get(f"{url}/metrics") as response:
                assert "sluice_collector_configuration_stale 1" in await response.text()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await run.end() == 0


async def test_a_worker_ends_with_its_supervisor(tmp_path: Path) -> None:
    """It serves at its socket alone, and drains when the pipe says that nobody is there any more."""
    read_end, write_end = os.pipe()
    place = WorkerPlace(1, tmp_path / "1.sock", read_end)
    async with running(await following(tmp_path, "a", place)) as run:
        assert run.line("collectors serve")["url"] == f"unix:{tmp_path}/1.sock"
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(place.socket))) as session:
            async with session.get("http://worker/families") as response:
                assert any(family[0] == "sluice_collector_ready" for family in await response.json())
            async with session.post("http://worker/services/a/pause", json={}) as response:
                assert response.status == 200
        os.close(write_end)
        assert await run.end() == 0
    assert run.line("supervisor is gone")
    os.close(read_end)


async def test_retention_follows_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is what the newest one says, of the stores that it has; other changes do not begin it anew."""
    begun: list[tuple[bool, list[str]]] = []

    class NotedRetention:
        def __init__(self, settings: Settings, *_: Any, **__: Any) -> None:
            assert settings.retention is not None
            begun.append((settings.retention.expired_kv, [entry.name for entry in settings.data_collection_plugins]))

        async def run(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("collectors.retention.job.Retention", NotedRetention)
    path = tmp_path / "collectors.yaml"
    process = await following(tmp_path, "a")
    async with running(process) as run:
        for text in (
            FOLLOWED % ("a", tmp_path, "a") + "\nretention: {}",
            FOLLOWED % ("a", tmp_path, "a") + "\nretention: {}\nshutdown_seconds: 9",
            FOLLOWED % ("b", tmp_path, "b") + "\nretention: {}",
            FOLLOWED % ("b", tmp_path, "b") + "\nretention: {expired_kv: false}",
            FOLLOWED % ("b", tmp_path, "b"),
        ):
            path.write_text(text)
            count = len([line for line in run.lines if line["event"] == "configuration applied"])
            os.kill(os.getpid(), signal.SIGHUP)
            await until(
                lambda count=count: (
                    len([each for each in run.lines if each["event"] == "configuration applied"]) > count
                ),  # type: ignore[misc]
                DEADLINE_SECONDS,
            )
            await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        await run.end()
    assert begun == [(True, ["a"]), (True, ["b"]), (False, ["b"])]


async def test_the_desk_is_served_and_its_redrives_end_with_the_process(tmp_path: Path) -> None:
    """On the port of health, with the sinks of the entries; what it has begun is stopped in order, not left behind."""
    stub = Path(__file__).parent / "operations" / "desk" / "stub.py"
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    desk = Desk(Path("s.yaml"), Path("c.yaml"), data_dir, (sys.executable, "-S", str(stub), str(data_dir)))
    settings = settings_in(tmp_path, "rows")
    process = Process(settings, HostSettings(data_dir=data_dir), settings.services(), desk=desk)
    async with running(process) as run, aiohttp.ClientSession(run.line("collectors serve")["url"]) as session:
        async with session.post("/desk/redrives", json={"collector": "rows", "by": "ops"}) as answer:
            job = (await answer.json())["job"]
        await until((data_dir / "begun").exists, DEADLINE_SECONDS)
        async with session.get("/desk/jobs", headers={"content-type": "application/json"}) as answer:
            [found] = (await answer.json())["jobs"]
        assert (found["job"], found["state"], found["can_cancel"]) == (job, "running", True)
        async with session.get("/desk/sinks/x", headers={"content-type": "application/json"}) as answer:
            assert [each["sink"] for each in (await answer.json())["sinks"]] == ["rows"]
        os.kill(os.getpid(), signal.SIGTERM)
        assert await run.end() == 0
    assert not is_running(data_dir, job)
