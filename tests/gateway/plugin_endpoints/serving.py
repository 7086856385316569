"""Plugins' endpoints behind the real HTTP server, in this process: real sockets, a real plugin host, an event log that
a test can stop."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from gateway.accept import Acceptor
from gateway.access.credentials import Credentials
from gateway.asgi import Gateway
from gateway.control.file_entities import entities_of
from gateway.endpoints import make_application
from gateway.listener import WorkerServer, listen
from gateway.plugin_endpoints.flow import PluginEndpoints
from gateway.plugin_endpoints.table import Plugins
from gateway.plugins import WorkerPlugins
from gateway.recording.backlog import Backlog
from gateway.recording.events import EventBuilder
from gateway.recording.inflight import InFlightFile
from gateway.recording.recorder import Recorder
from gateway.recording.recovery import ChargeRule
from gateway.settings import Settings
from gateway.snapshot import Snapshot
from gateway.sweep import INTERVAL_SECONDS, Sweep
from gateway.telemetry import GatewayMetrics
from sluice.eventlog.interface import Boot
from sluice.plugin_host.http_pool import HttpPool
from sluice.plugin_host.services import ServiceSources
from tests.gateway.access.sharing import a_share
from tests.gateway.flow import snapshot_of
from tests.gateway.memory_log import MemoryLog

SECONDS = 20.0
PLUGINS = "python://tests.gateway.plugin_endpoints.endpoint_plugins"
TOKENS = ("api", "admin", "both", "expired", "inactive", "elsewhere", "bodiless")


def settings_of(plugins: list[dict[str, Any]], **sections: Any) -> Settings:
    """Apps of every kind, and these plugins."""

    def token(name: str, app: int, **values: Any) -> dict[str, Any]:
        return {"app": app, "sha256": hashlib.sha256(name.encode()).hexdigest(), **values}

    tree: dict[str, Any] = {
        "plugins": [{"id": at, **plugin} for at, plugin in enumerate(plugins, 1)],
        "apps": [
            {"id": 1, "name": "tests", "user_id": 7, "rate_limit_rpm": 600},
            {"id": 2, "name": "sleeper", "is_active": False},
            {"id": 3, "name": "faraway", "allowed_ips": ["192.0.2.0/24"]},
            {"id": 4, "name": "discreet", "bodies": "none"},
        ],
        "tokens": [
            token("api", 1),
            token("admin", 1, scopes=["admin"]),
            token("both", 1, scopes=["*"]),
            token("expired", 1, expires_at="2001-01-01T00:00:00Z"),
            token("inactive", 2),
            token("elsewhere", 3),
            token("bodiless", 4),
        ],
        **sections,
    }
    return Settings.model_validate(tree)


class Served:
    """A running gateway with nothing but endpoints."""

    def __init__(self, url: str, log: MemoryLog, sweep: Sweep, plugins: WorkerPlugins, metrics: GatewayMetrics) -> None:
        self.url = url
        self.log = log
        self.sweep = sweep
        self.plugins = plugins
        self.metrics = metrics
        self.endpoints: PluginEndpoints
        self.settings: Settings
        self.serving: Plugins | None = None
        """Instead of the host's own, where a test says so."""
        self.client = httpx.AsyncClient(base_url=url, timeout=SECONDS, trust_env=False)

    async def get(self, path: str, token: str = "", **options: Any) -> httpx.Response:
        """A GET below ``/plugins``."""
        return await self.ask("GET", path, token, **options)

    async def ask(self, method: str, path: str, token: str = "", **options: Any) -> httpx.Response:
        """A request below ``/plugins``."""
        headers = {**({"authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
        return await self.client.request(method, f"/plugins{path}", headers=headers, **options)

    async def recorded(self, count: int = 1) -> dict[str, Any]:
        """The proxy log of the last of so many exchanges, once it is there and nothing is held for any."""
        async with asyncio.timeout(SECONDS):
            while len(self.log.exchanges) < count or self.sweep.in_flight:  # noqa: ASYNC110 - another task's end
                await asyncio.sleep(0.002)
        assert self.log.reserved == 0
        last = self.log.exchanges[-1]
        assert list(last) == ["proxy_log"]
        return last["proxy_log"]


async def until(condition: Any) -> None:
    """Wait for it."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - another task's doing
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def serving(
    folder: Path, *plugins: dict[str, Any], bounds: dict[str, Any] | None = None, **sections: Any
) -> AsyncIterator[Served]:
    """Serve until the test is over."""
    settings = settings_of(list(plugins), **sections)
    own, metrics, log, sweep = settings.gateway, GatewayMetrics(), MemoryLog(), Sweep(30.0)
    snapshot: Snapshot = snapshot_of(settings)
    inflight = InFlightFile(folder / "inflight", own.max_in_flight)
    share, boot = a_share(folder), Boot("gateway-1", "w0", "boot-1")
    recorder = Recorder(
        log=log,
        builder=EventBuilder(boot, own.bodies.max_bytes, 1 << 20),
        inflight=inflight,
        backlog=Backlog(log, inflight, boot, ChargeRule("reserved", snapshot.prices), lambda _: (), share.budgets),
        budgets=share.budgets,
        mark=lambda: (1, 0),
        metrics=metrics,
        unauthenticated_per_second=1_000,
    )
    pool, loaded = HttpPool(), WorkerPlugins()
    entities = entities_of(settings)
    sources = ServiceSources(http=pool)
    await loaded.start(
        settings,
        folder,
        entities.llms,
        entities.plugins,
        sources.services_of,
    )
    endpoints = PluginEndpoints(
        gateway=own,
        bounds=settings.plugin_host.endpoints.model_copy(update=bounds or {}),
        plugins=lambda: served.serving if served.serving is not None else loaded.endpoints,
        snapshot=lambda: snapshot,
        acceptor=Acceptor(own, lambda: snapshot, recorder, sweep),
        credentials=Credentials(),
        recorder=recorder,
        sweep=sweep,
    )
    app = Gateway(None, make_application(list, metrics.registry.render), endpoints)  # type: ignore[arg-type]
    stop = asyncio.Event()

    async def look() -> None:
        while True:
            await asyncio.sleep(INTERVAL_SECONDS / 5)
            sweep.run_once()

    with listen("127.0.0.1", 0) as listener:
        served = Served(f"http://127.0.0.1:{listener.getsockname()[1]}", log, sweep, loaded, metrics)
        served.endpoints, served.settings = endpoints, settings
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(WorkerServer(own, app, metrics, listener).serve(stop))
            looking = tasks.create_task(look())
            try:
                yield served
            finally:
                await served.client.aclose()
                log.released.set()
                stop.set()
                await asyncio.wait([running])
                looking.cancel()
    await loaded.close()
    await pool.close()
    await share.keeper.close()
    share.table.close()
    inflight.close()
