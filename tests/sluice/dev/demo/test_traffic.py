"""The demo's exchanges, sent to the vendor itself, which takes the gateway's paths as well as its own."""

from __future__ import annotations

import asyncio

import httpx
import orjson
import pytest

from sluice.dev.demo.state import FORBIDDEN
from sluice.dev.demo.traffic import KINDS, send_traffic
from sluice.dev.vendor import MockVendor


async def test_two_dozen_exchanges_of_every_kind(mock_vendor: MockVendor) -> None:
    """Plain, streamed, blocked, with a bad token, failing, to a broken LLM, and left in the middle."""
    sent = await send_traffic(mock_vendor.url.removesuffix("/v1"), "a-token")
    assert len(sent) == sum(kind.count for kind in KINDS) == 24
    assert [exchange.status for exchange in sent].count(500) == 2
    bodies = [orjson.loads(request.body) for request in mock_vendor.requests]
    assert sum(body["stream"] for body in bodies) == 7
    assert sum(FORBIDDEN in body["messages"][0]["content"] for body in bodies) == 3
    authorizations = [request.header("authorization") for request in mock_vendor.requests]
    assert authorizations.count("Bearer a-token") == 22
    assert sum("/broken/" in request.path for request in mock_vendor.requests) == 2


async def test_those_who_leave_do_leave(mock_vendor: MockVendor) -> None:
    """Their streams are the only ones that the vendor could not finish."""
    await send_traffic(mock_vendor.url.removesuffix("/v1"), "a-token")
    async with asyncio.timeout(10):
        while sum(not served.complete for served in mock_vendor.served) != 2:  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0)
    assert [served.complete for served in mock_vendor.served][-2:] == [False, False]


async def test_nobody_there_is_an_error() -> None:
    """The caller says so in its own words."""
    with pytest.raises(httpx.HTTPError):
        await send_traffic("http://127.0.0.1:1", "a-token")
