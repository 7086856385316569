"""Health and metrics of a process, on a port of its own.

``/health``   200 while every service's intake came round within 10 s
``/ready``    200 while records flow: sinks reachable, nothing halted
``/metrics``  Prometheus text
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from collectors.metrics import CollectorMetrics
from collectors.service import Service
from collectors.settings import ServerSettings

PROGRESS_SECONDS = 120.0
"""A service whose oldest unfinished record is older does not make progress."""

_SHUTDOWN_SECONDS = 1.0  # what a page that is being read has left when the process stops
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class PortTakenError(Exception):
    """The port of health and metrics cannot be had."""


class HealthServer:
    """Serves three pages about the services of this process."""

    def __init__(self, settings: ServerSettings, services: Sequence[Service], metrics: CollectorMetrics) -> None:
        self._settings = settings
        self._services = services
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen; returns the URL. Raises PortTakenError with the remedy."""
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._ready)
        app.router.add_get("/metrics", self._render)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        host, port = self._settings.host, self._settings.port
        shown = f"[{host}]" if ":" in host else host  # an IPv6 address
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.close()
            remedy = "set server.port in collectors.yaml to a free one, or to 0 for any"
            raise PortTakenError(f"cannot listen on {shown}:{port} ({error.strerror or error}); {remedy}") from error
        bound = self._runner.addresses[0][1]
        return f"http://{shown}:{bound}"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _health(self, _request: web.Request) -> web.Response:
        return _answer({service.name: service.health.is_live for service in self._services}, self._describe())

    async def _ready(self, _request: web.Request) -> web.Response:
        return _answer({service.name: service.health.is_ready for service in self._services}, self._describe())

    def _describe(self) -> dict[str, Any]:
        return {
            service.name: {
                "live": service.health.is_live,
                "ready": service.health.is_ready,
                "halted": service.health.is_halted,
                "progressing": service.oldest_unfinished_seconds <= PROGRESS_SECONDS,
                "oldest_unfinished_seconds": round(service.oldest_unfinished_seconds, 3),
                "causes": service.health.causes,
            }
            for service in self._services
        }

    async def _render(self, _request: web.Request) -> web.Response:
        for service in self._services:
            service.observe()
        return web.Response(body=self._metrics.registry.render().encode(), headers={"content-type": _METRICS_TYPE})


def _answer(well: dict[str, bool], services: dict[str, Any]) -> web.Response:
    is_well = all(well.values())
    body = orjson.dumps({"status": "ok" if is_well else "not ok", "services": services})
    return web.Response(status=200 if is_well else 503, body=body, content_type="application/json")
