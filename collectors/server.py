"""Health, metrics and control of a process, on a port of its own.

``/health``   200 while every service's intake came round within 10 s
``/ready``    200 while records flow: sinks reachable, nothing halted, nothing paused
``/metrics``  Prometheus text
``/services`` how each service stands; ``/services/NAME`` and, below it, ``health``, ``ready`` and ``metrics`` of one
``/services/NAME/pause`` and ``…/resume``, by POST: see ``guarding.py``
``/desk/…``   dead letters, jobs, gateways and what sinks have: see ``operations/desk``
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from collectors.configuration.state import ConfigurationState
from collectors.guarding import refusal
from collectors.metrics import CollectorMetrics
from collectors.service import Service
from collectors.settings import ServerSettings
from collectors.standing import SAMPLE_SECONDS, Rates, families_of, standing_of
from sluice.exposition import dump_families, render_families

PROGRESS_SECONDS = 120.0
"""A service whose oldest unfinished record is older does not make progress."""

_SHUTDOWN_SECONDS = 1.0  # what a page that is being read has left when the process stops
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PortTakenError(Exception):
    """The port of health and metrics cannot be had."""


class HealthServer:
    """Serves what there is to say about the services of this process, and lets operators pause them."""

    def __init__(
        self,
        settings: ServerSettings,
        services: Sequence[Service],
        metrics: CollectorMetrics,
        configuration: ConfigurationState | None = None,
        socket: Path | None = None,
        more: Sequence[Callable[[web.Application], None]] = (),
    ) -> None:
        """``services`` may become others while it serves. With a ``socket`` it serves a supervisor alone, there.
        ``more`` add pages of others."""
        self._settings = settings
        self._services = services
        self._metrics = metrics
        self._configuration = configuration
        self._socket = socket
        self._more = more
        self._rates = Rates(metrics)
        self._sampling: asyncio.TimerHandle | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen; returns the URL. Raises PortTakenError with the remedy."""
        app = web.Application()
        add_pages(app, self._health, self._ready, self._render)
        add_services(app, self._list, self._show, pause=self._pause, resume=self._resume)
        for add in self._more:
            add(app)
        if self._socket is None:
            self._runner, url = await listen(app, self._settings)
        else:
            app.router.add_get("/families", self._families)
            self._runner, url = await listen_at(app, self._socket)
        self._sample()
        return url

    def _sample(self) -> None:
        loop = asyncio.get_running_loop()
        self._rates.sample(loop.time())
        self._sampling = loop.call_later(SAMPLE_SECONDS, self._sample)

    async def close(self) -> None:
        """Stop listening."""
        if self._sampling is not None:
            self._sampling.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _meant(self, request: web.Request) -> Sequence[Service]:
        """The service that the path names, or all; raises HTTPNotFound naming those there are."""
        name = request.match_info.get("name")
        found = [service for service in self._services if name in {None, service.name}]
        if name is not None and not found:
            there = ", ".join(service.name for service in self._services) or "none"
            text = orjson.dumps({"error": f"no service {name!r} in this process; there are: {there}"}).decode()
            raise web.HTTPNotFound(text=text, content_type="application/json")
        return found

    async def _health(self, request: web.Request) -> web.Response:
        meant = self._meant(request)
        return _answer({each.name: each.health.is_live for each in meant}, _describe(meant) | self._configured())

    async def _ready(self, request: web.Request) -> web.Response:
        meant = self._meant(request)
        return _answer({each.name: each.health.is_ready for each in meant}, _describe(meant) | self._configured())

    def _configured(self) -> dict[str, Any]:
        """A refused configuration makes nothing unwell: what runs goes on."""
        return {} if self._configuration is None else {"configuration": self._configuration.document()}

    async def _render(self, request: web.Request) -> web.Response:
        meant = self._meant(request)
        self._observe(meant)
        families, name = self._metrics.registry.families(), request.match_info.get("name")
        text = render_families([({}, families if name is None else families_of(families, name))])
        return web.Response(body=text.encode(), headers={"content-type": METRICS_TYPE})

    async def _families(self, request: web.Request) -> web.Response:
        self._observe(self._meant(request))
        return web.Response(body=dump_families(self._metrics.registry.families()), content_type="application/json")

    def _observe(self, services: Sequence[Service]) -> None:
        for service in services:
            service.observe()
        if self._configuration is not None:
            self._metrics.configuration_stale.set(float(self._configuration.is_stale))

    def _standing(self, service: Service) -> dict[str, Any]:
        rate = self._rates.per_second(service.name, asyncio.get_running_loop().time())
        return standing_of(service, self._metrics, rate)

    async def _list(self, request: web.Request) -> web.Response:
        found = {"services": [self._standing(service) for service in self._meant(request)]}
        return page(200, found | self._configured())

    async def _show(self, request: web.Request) -> web.Response:
        return page(200, self._standing(self._meant(request)[0]))

    async def _pause(self, request: web.Request) -> web.Response:
        return self._changed(request, is_paused=True)

    async def _resume(self, request: web.Request) -> web.Response:
        return self._changed(request, is_paused=False)

    def _changed(self, request: web.Request, *, is_paused: bool) -> web.Response:
        refused = None if self._socket else refusal(request, self._settings.token.get_secret_value())
        if refused:
            status, reason = refused
            return page(status, {"error": reason})
        [service] = self._meant(request)
        if is_paused:
            service.health.pause()
        else:
            service.health.resume()
        return page(200, self._standing(service))


def add_pages(app: web.Application, health: Handler, ready: Handler, metrics: Handler) -> None:
    """The pages of a process, and the same of one service."""
    for base in ("", "/services/{name}"):
        app.router.add_get(f"{base}/health", health)
        app.router.add_get(f"{base}/ready", ready)
        app.router.add_get(f"{base}/metrics", metrics)


def add_services(app: web.Application, services: Handler, service: Handler, *, pause: Handler, resume: Handler) -> None:
    """How services stand, and what operators change."""
    app.router.add_get("/services", services)
    app.router.add_get("/services/{name}", service)
    app.router.add_post("/services/{name}/pause", pause)
    app.router.add_post("/services/{name}/resume", resume)


async def listen(app: web.Application, settings: ServerSettings) -> tuple[web.AppRunner, str]:
    """Serve an application, and say at which URL. Raises PortTakenError with the remedy."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    host, port = settings.host, settings.port
    shown = f"[{host}]" if ":" in host else host  # an IPv6 address
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        remedy = "set server.port in collectors.yaml to a free one, or to 0 for any"
        raise PortTakenError(f"cannot listen on {shown}:{port} ({error.strerror or error}); {remedy}") from error
    return runner, f"http://{shown}:{runner.addresses[0][1]}"


async def listen_at(app: web.Application, socket: Path) -> tuple[web.AppRunner, str]:
    """The same at a socket in a folder that others cannot enter; one that an earlier life left there is replaced."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    socket.unlink(missing_ok=True)
    await web.UnixSite(runner, str(socket)).start()
    return runner, f"unix:{socket}"


def _describe(services: Sequence[Service]) -> dict[str, Any]:
    found = {
        service.name: {
            "live": service.health.is_live,
            "ready": service.health.is_ready,
            "halted": service.health.is_halted,
            "paused": service.health.is_paused,
            "progressing": service.oldest_unfinished_seconds <= PROGRESS_SECONDS,
            "oldest_unfinished_seconds": round(service.oldest_unfinished_seconds, 3),
            "causes": service.health.causes,
        }
        for service in services
    }
    return {"services": found}


def _answer(well: dict[str, bool], document: dict[str, Any]) -> web.Response:
    is_well = all(well.values())
    return page(200 if is_well else 503, {"status": "ok" if is_well else "not ok", **document})


def page(status: int, document: Any) -> web.Response:
    """As JSON."""
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json")
