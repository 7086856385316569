"""The desk's pages on the port of health and metrics.

``GET  /desk/jobs``                     jobs of this host: how far, how fast, what came of them
``GET  /desk/dead-letters``             open letters by reason, collector and kind
``GET  /desk/dead-letters/list``        some of them; ``collector``, ``reason`` and ``kind`` narrow it
``GET  /desk/dead-letters/one?id=``     one whole
``GET  /desk/gateways``                 what gateways reported of themselves, and what was last reconciled
``GET  /desk/sinks/EXCHANGE``           which sinks have the events of an exchange
``POST /desk/redrives``                 ``{collector, reason, kind, dry_run, by}``: what would be given back, or begin
``POST /desk/redrives/JOB/cancel``      have it finish what is in flight and end

Letters hold what people wrote to models. So whoever asks for anything here, to look as well as to change, shows
``server.token``, or asks from the host itself where none is set (``collectors/guarding.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from collectors.guarding import refusal
from collectors.operations.desk.asking import DeskError, Letters, flag_in, text_in
from collectors.operations.desk.desk import Desk
from collectors.operations.desk.sinks import Sinks
from collectors.services.reconcile.last import last_result

Page = Callable[[web.Request], Awaitable[Mapping[str, Any]]]


class DeskPages:
    """Adds them to an application. Without a token (``None``) nobody is asked for one: a socket of our own."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def add_desk(self, app: web.Application, desk: Desk, data_dir: Path) -> None:
        """All but what sinks have."""
        pages = _Pages(desk, data_dir)
        app.router.add_get("/desk/jobs", self.guarded(pages.jobs))
        app.router.add_get("/desk/dead-letters", self.guarded(pages.counts))
        app.router.add_get("/desk/dead-letters/list", self.guarded(pages.letters))
        app.router.add_get("/desk/dead-letters/one", self.guarded(pages.letter))
        app.router.add_get("/desk/gateways", self.guarded(pages.gateways))
        app.router.add_post("/desk/redrives", self.guarded(pages.redrive))
        app.router.add_post("/desk/redrives/{job}/cancel", self.guarded(pages.cancel))

    def add_sinks(self, app: web.Application, sinks: Sinks) -> None:
        """What sinks have."""

        async def holders(request: web.Request) -> Mapping[str, Any]:
            return await sinks.holders(request.match_info["exchange"])

        app.router.add_get("/desk/sinks/{exchange}", self.guarded(holders))

    def guarded(self, page: Page) -> Callable[[web.Request], Awaitable[web.Response]]:
        """The page for those who may see it, and what is wrong as JSON."""

        async def handle(request: web.Request) -> web.Response:
            refused = None if self._token is None else refusal(request, self._token)
            if refused is not None:
                return answered(refused[0], {"error": refused[1]})
            try:
                return answered(200, await page(request))
            except DeskError as error:
                return answered(error.status, {"error": str(error)})

        return handle


class _Pages:
    """What each page says."""

    def __init__(self, desk: Desk, data_dir: Path) -> None:
        self._desk = desk
        self._data_dir = data_dir

    async def jobs(self, _: web.Request) -> Mapping[str, Any]:
        return await self._desk.jobs()

    async def counts(self, _: web.Request) -> Mapping[str, Any]:
        return await self._desk.counts()

    async def letters(self, request: web.Request) -> Mapping[str, Any]:
        return await self._desk.letters(Letters.of(request.query))

    async def letter(self, request: web.Request) -> Mapping[str, Any]:
        return await self._desk.letter(text_in(request.query, "id"))

    async def gateways(self, _: web.Request) -> Mapping[str, Any]:
        last = await asyncio.to_thread(last_result, self._data_dir)
        return {**await self._desk.gateways(), "reconciled": last}

    async def redrive(self, request: web.Request) -> Mapping[str, Any]:
        asked = await _body(request)
        wanted = Letters.of(asked)
        if flag_in(asked, "dry_run"):
            return await self._desk.dry_run(wanted)
        return await self._desk.redrive(wanted, text_in(asked, "by"))

    async def cancel(self, request: web.Request) -> Mapping[str, Any]:
        asked = await _body(request)
        return await self._desk.cancel(request.match_info["job"], text_in(asked, "by"))


async def _body(request: web.Request) -> Mapping[str, Any]:
    try:
        found = orjson.loads(await request.read())
    except ValueError as error:
        raise DeskError(400, "the body is no JSON") from error
    if not isinstance(found, dict):
        raise DeskError(400, "the body must be an object")
    return found


def answered(status: int, document: Mapping[str, Any]) -> web.Response:
    """As JSON."""
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json")
