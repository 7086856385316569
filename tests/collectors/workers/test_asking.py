"""Workers are asked all at once, and one that does not answer holds nobody up for long."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from collectors.server import listen_at
from collectors.workers import asking
from collectors.workers.asking import Page, ask_all


@asynccontextmanager
async def serving(path: Path, body: bytes, seconds: float = 0.0) -> AsyncIterator[None]:
    """Somebody who answers so, after so long."""

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(seconds)
        return web.Response(status=200 if request.method == "GET" else 202, body=body)

    app = web.Application()
    app.router.add_route("*", "/page", answer)
    runner, _ = await listen_at(app, path)
    yield
    await runner.cleanup()


async def test_each_answer_is_at_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that is not there, that hangs, or that says too much there is none."""
    monkeypatch.setattr(asking, "ASK_SECONDS", 2.0)
    monkeypatch.setattr(asking, "_MAX_ANSWER_BYTES", 1_000)
    names = ("well", "slow", "much", "none", "deaf")
    sockets = [tmp_path / name for name in names]
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(sockets[4]))
        async with serving(sockets[0], b"a"), serving(sockets[1], b"b", 60), serving(sockets[2], b"c" * 10_000):
            began = asyncio.get_running_loop().time()
            assert await ask_all(sockets, "/page") == [Page(200, b"a"), None, None, None, None]
            assert asyncio.get_running_loop().time() - began < 30
            monkeypatch.setattr(asking, "ASK_SECONDS", 60.0)
            assert await ask_all(sockets[:1], "/page", "POST") == [Page(202, b"a")]
            assert await ask_all(sockets[:1], "/nowhere") == [Page(404, b"404: Not Found")]
