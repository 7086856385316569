"""The desk's pages over real HTTP: who may ask, and what is wrong is said as JSON."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from collectors.operations.desk.desk import Desk
from collectors.operations.desk.pages import DeskPages
from collectors.operations.desk.sinks import Sinks
from collectors.server import listen
from collectors.services.reconcile.last import keep_last
from collectors.services.reconcile.results import Findings
from collectors.services.reconcile.stores import Span
from collectors.settings import HostSettings, ServerSettings, Settings

STUB = Path(__file__).with_name("stub.py")
JSON = {"content-type": "application/json"}


@asynccontextmanager
async def serving(folder: Path, token: str | None) -> AsyncIterator[aiohttp.ClientSession]:
    """A process with nothing but a desk."""
    desk = Desk(Path("a.yaml"), Path("c.yaml"), folder, (sys.executable, "-S", str(STUB), str(folder)))
    app, pages = web.Application(), DeskPages(token)
    pages.add_desk(app, desk, folder)
    pages.add_sinks(app, Sinks(Settings, HostSettings(data_dir=folder)))
    runner, url = await listen(app, ServerSettings(port=0))
    try:
        async with aiohttp.ClientSession(url) as session:
            yield session
    finally:
        await runner.cleanup()
        await desk.close()


async def said(session: aiohttp.ClientSession, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Status and document."""
    method = "GET" if body is None else "POST"
    async with session.request(method, path, json=body, headers={**JSON, **headers}) as answer:
        return answer.status, await answer.json()


async def test_nobody_looks_without_the_token(tmp_path: Path) -> None:
    """Letters hold what people wrote to models: to look needs what to change needs, on every page."""
    paths = ["jobs", "dead-letters", "dead-letters/list", "dead-letters/one?id=a/0/1", "gateways", "sinks/x"]
    async with serving(tmp_path, "secret") as session:
        for path in paths:
            assert (await said(session, f"/desk/{path}"))[0] == 401
        for path in ("redrives", "redrives/x/cancel"):
            assert (await said(session, f"/desk/{path}", {}))[0] == 401
        assert (await said(session, "/desk/jobs", authorization="Bearer secret"))[0] == 200
        async with session.get("/desk/jobs", headers={"authorization": "Bearer secret"}) as simple:
            assert simple.status == 415  # as a page elsewhere could make a browser ask
    assert not (tmp_path / "asked.jsonl").exists()


async def test_without_a_token_only_this_host_may(tmp_path: Path) -> None:
    """As with pausing: a request that was forwarded may come from anywhere."""
    async with serving(tmp_path, "") as session:
        assert (await said(session, "/desk/jobs"))[0] == 200
        assert (await said(session, "/desk/jobs", **{"x-forwarded-for": "203.0.113.7"}))[0] == 403


async def test_every_page_answers(tmp_path: Path) -> None:
    """Counts, a list, one letter, gateways with what was last reconciled, a dry run."""
    keep_last(tmp_path, Findings(), Span(0, 1), 1)
    async with serving(tmp_path, None) as session:
        assert (await said(session, "/desk/dead-letters"))[1]["counts"][0]["count"] == 5
        [letter] = (await said(session, "/desk/dead-letters/list?collector=store"))[1]["letters"]
        status, one = await said(session, f"/desk/dead-letters/one?id={letter['id']}")
        assert (status, one["letter"]["event"]["path"]) == (200, "/chat")
        found = (await said(session, "/desk/gateways"))[1]
        assert (found["boots"][0]["exchanges"], found["reconciled"]["equal"]) == (12, True)
        counted = await said(session, "/desk/redrives", {"collector": "store", "dry_run": True})
        assert (counted[0], counted[1]["report"]["matched"]) == (200, 5)


async def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """A body that is none, a flag that is a text, a kind that there is not, a letter that is gone: nothing begins."""
    async with serving(tmp_path, None) as session:
        for body in ([1], {"dry_run": "yes"}, {"kind": "x"}, {"collector": 7}, {"by": ["x"]}):
            status, document = await said(session, "/desk/redrives", body)
            assert (status, bool(document["error"])) == (400, True), body
        async with session.post("/desk/redrives", data=b"{", headers=JSON) as answer:
            assert answer.status == 400
        assert (await said(session, "/desk/dead-letters/one?id=a/0/1"))[0] == 404
        assert (await said(session, "/desk/redrives/x/cancel", {}))[0] == 409
        assert (await said(session, "/desk/jobs"))[1] == {"jobs": []}
