"""The application: its files, its headers, what it answers where nothing is."""

from __future__ import annotations

import re

import httpx
import pytest

from gateway.console.assets import FOR_EVER
from tests.gateway.console.running import BASE, Console


@pytest.fixture
def browser(console: Console) -> httpx.AsyncClient:
    """Nobody in particular."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(console.application, raise_app_exceptions=False), base_url=BASE
    )


async def test_the_page_names_files_that_may_be_kept_for_ever(browser: httpx.AsyncClient) -> None:
    """The page is asked for each time; each file it names is there, packed, and kept; the bare path leads there."""
    moved = await browser.get("/console")
    assert (moved.status_code, moved.headers["location"]) == (308, "/console/")
    page = await browser.get("/console/")
    assert page.headers["cache-control"] == "no-cache"
    names = re.findall(r'(?:href|src)="(static/[^"]+)"', page.text)
    assert len(names) == 6
    for name in names:
        found = await browser.get(f"/console/{name}")
        assert (found.status_code, found.headers["cache-control"]) == (200, FOR_EVER), name
        assert found.headers["content-encoding"] == "gzip"
        assert "content-security-policy" in found.headers
    old = await browser.get("/console/static/0123456789abcdef/app.js", headers={"accept-encoding": "identity"})
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")
    assert "content-encoding" not in old.headers


PATHS = [
    "/console/static/x/../../door.py",
    "/console/static/x/%2e%2e/%2e%2e/door.py",
    "/console/static/x/vendor/VENDORED.md",
    "/console/nothing",
    "/console/api/nothing",
    "/console/static/x/index.html",
]


async def test_what_is_not_there_is_said_in_the_pages_own_form(browser: httpx.AsyncClient) -> None:
    """404 as JSON, with every header; nothing outside of the folder is ever served."""
    for path in PATHS:
        answer = await browser.get(path)
        assert answer.status_code == 404
        assert answer.json()["message"]
        assert answer.headers["x-frame-options"] == "DENY"


async def test_the_rest_of_the_gateway_is_as_before(browser: httpx.AsyncClient) -> None:
    """Health and the control API are where they were; paths that only begin alike are not the console's."""
    assert (await browser.get("/health")).status_code == 200
    assert (await browser.get("/api/v1/llms")).status_code == 401
    assert (await browser.get("/consoles")).json()["code"] == "not_found"


async def test_a_method_that_is_not_there_is_405(browser: httpx.AsyncClient) -> None:
    """Not a fault."""
    assert (await browser.put("/console/api/session")).status_code == 405
