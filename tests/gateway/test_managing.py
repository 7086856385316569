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

from gateway.control.opening import prepare
from gateway.control.plane import open_plane
from gateway.endpoints import make_application
from gateway.managing import Managing
from gateway.settings import Settings
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
        self.failures = 0

    def make(self, services: ControlServices | None = None, console: ASGIApp | None = None) -> ASGIApp:
        """As a worker does."""
        if services is not None:
            self.made.append(threading.current_thread())
            if len(self.made) <= self.failures:
                message = "no memory"
                raise MemoryError(message)
        return make_application(list, str, services, console)


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
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            yield client
        await managing.close()


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
