"""The control API and the console are made when somebody asks for them, and not before."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from starlette.routing import Route

from gateway.control import serving
from gateway.control.opening import prepare
from gateway.control.plane import ControlPlane, open_plane
from gateway.endpoints import make_application
from gateway.managing import _BELOW, _PLACES, Managing
from gateway.settings import Settings
from sluice.clock import now_micros
from sluice.eventstore.queries import EventStoreError
from sluice.settings import load_settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from gateway.control.api.services import ControlServices

ASKED = ("/", "/health/detailed", "/console", "/console/", "/api/v1/llms", "/api/v1/openapi.json", "/api/v1/nothing")
PLAIN = ("/health", "/ready", "/metrics", "/nothing", "/api/v1", "/api", "/consoles", "/health/", "/favicon.ico")


class Bench:
    """A worker's managing, and which thread made the whole application."""

    def __init__(self) -> None:
        self.made: list[threading.Thread] = []
        self.started_at: list[int] = []
        self.failures = 0
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.may_go_on.set()

    def make(self, services: ControlServices | None = None, console: ASGIApp | None = None) -> ASGIApp:
        """As a worker does."""
        if services is not None:
            self.made.append(threading.current_thread())
            self.started_at.append(services.info.started_at)
            self.begun.set()
            assert self.may_go_on.wait(10)
            if len(self.made) <= self.failures:
                message = "no memory"
                raise MemoryError(message)
        application = make_application(list, str, services, console)
        self.routes = {route.path for route in application.routes if isinstance(route, Route)}
        self.below = {f"{each.kwargs['prefix']}/" for each in application.user_middleware}
        return application


@contextlib.asynccontextmanager
async def managing(folder: Path, bench: Bench, **control: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it."""
    config = folder / "sluice.yaml"
    config.write_text(yaml.safe_dump({"data_dir": str(folder / "data"), "control": control}))
    settings = load_settings(config, Settings)
    await prepare(settings)
    async with open_plane(settings, config, list) as plane:
        managing = Managing(settings, plane, bench.make(), bench.make, asyncio.Event())
        await managing.check()
        transport = httpx.ASGITransport(managing)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                yield client
        finally:
            await managing.close()


def served_by(client: httpx.AsyncClient) -> Managing:
    """What the client asks."""
    assert isinstance(client._transport, httpx.ASGITransport)
    assert isinstance(client._transport.app, Managing)
    return client._transport.app


@pytest.mark.parametrize("dialect", ["clean", "reference"])
async def test_whoever_asks_gets_what_the_whole_application_says(tmp_path: Path, dialect: str) -> None:
    """Path by path, before it is there and after: the same answers. The reference's probes tell of plugins, so it is
    made for those."""
    bench = Bench()
    async with managing(tmp_path, bench, dialect=dialect) as client:
        before = [await client.get(path) for path in PLAIN]
        assert len(bench.made) == (dialect == "reference")
        assert [(await client.get(path)).status_code for path in ASKED] == [200, 200, 308, 200, 401, 401, 404]
        after = [await client.get(path) for path in PLAIN]
    assert len(bench.made) == 1
    for one, other in zip(before, after, strict=True):
        assert (one.status_code, one.content, one.headers) == (other.status_code, other.content, other.headers)


async def test_it_is_made_for_whatever_it_serves(tmp_path: Path) -> None:
    """A path that only the whole application knows is never answered by the plain one."""
    bench = Bench()
    async with managing(tmp_path, bench) as client:
        plain = bench.routes
        await client.get("/")
    assert bench.routes - plain == _PLACES
    assert bench.below == set(_BELOW)


async def test_it_is_made_once_and_beside_the_loop(tmp_path: Path) -> None:
    """Whoever asks meanwhile waits for the same one."""
    bench = Bench()
    async with managing(tmp_path, bench) as client:
        answers = await asyncio.gather(*(client.get(path) for path in ASKED * 3))
    assert {answer.status_code for answer in answers} == {200, 308, 401, 404}
    assert len(bench.made) == 1
    assert bench.made[0] is not threading.main_thread()


async def test_what_could_not_be_made_is_made_for_the_next(tmp_path: Path) -> None:
    """A failure is the request's that met it."""
    bench = Bench()
    bench.failures = 1
    async with managing(tmp_path, bench) as client:
        with pytest.raises(MemoryError):
            await client.get("/")
        assert (await client.get("/")).status_code == 200


async def test_a_worker_began_when_it_began(tmp_path: Path) -> None:
    """Not when somebody first asked."""
    bench = Bench()
    async with managing(tmp_path, bench) as client:
        serving_since = now_micros()
        await client.get("/")
    assert bench.started_at[0] <= serving_since


async def test_whoever_is_cancelled_while_it_is_made_takes_it_from_nobody(tmp_path: Path) -> None:
    """Who waited behind makes it anew."""
    bench = Bench()
    bench.may_go_on.clear()
    async with managing(tmp_path, bench) as client, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(client.get("/"))
        assert await asyncio.to_thread(bench.begun.wait, 10)
        second = tasks.create_task(client.get("/"))
        await asyncio.sleep(0)
        first.cancel()
        bench.may_go_on.set()
        assert (await second).status_code == 200
    assert first.cancelled()
    assert len(bench.made) == 2


async def test_what_is_being_made_at_the_end_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end waits for it; a request that is cancelled then needs no time."""
    opened: list[bool] = []

    @contextlib.asynccontextmanager
    async def open_services(settings: Settings, plane: ControlPlane, started_at: int) -> AsyncIterator[ControlServices]:
        async with serving.open_services(settings, plane, started_at) as services:
            opened.append(True)
            try:
                yield services
            finally:
                await asyncio.sleep(0)  # as connections are closed
                opened.remove(True)

    monkeypatch.setattr("gateway.managing._import_services", lambda: open_services)
    bench = Bench()
    bench.may_go_on.clear()
    async with asyncio.TaskGroup() as tasks, managing(tmp_path, bench) as client:
        asking = tasks.create_task(client.get("/"))
        assert await asyncio.to_thread(bench.begun.wait, 10)
        assert opened == [True]
        asking.cancel()
        await served_by(client).close()
        assert opened == []
        bench.may_go_on.set()


async def test_what_is_no_request_is_not_managing(tmp_path: Path) -> None:
    """It may have no path."""
    bench, sent = Bench(), list[Any]()

    async def tell() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def keep(message: Any) -> None:
        sent.append(message)

    async with managing(tmp_path, bench) as client:
        await served_by(client)({"type": "lifespan"}, tell, keep)
    assert sent[0] == {"type": "lifespan.startup.complete"}
    assert bench.made == []


async def test_a_store_of_events_that_cannot_be_asked_is_found_at_the_start(tmp_path: Path) -> None:
    """Not by the first who looks."""
    with pytest.raises(EventStoreError, match=r"control\.events"):
        async with managing(tmp_path, Bench(), events={"elasticsearch_url": "ftp://nowhere"}):
            pass


def test_a_worker_is_loaded_without_what_manages() -> None:
    """Nor with FastAPI, which nothing else of a gateway needs: 16 MiB of an idle worker."""
    heavy = "alembic fastapi gateway.console gateway.control.api.renderer gateway.control.api.application httpx"
    code = f"import sys, gateway.workers; print(*(set({heavy.split()!r}) & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout == "\n"
