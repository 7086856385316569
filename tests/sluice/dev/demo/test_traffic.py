"""The demo's exchanges, sent to the vendor itself, which takes the gateway's paths as well as its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import orjson
import pytest

from sluice.dev.demo.cast import LLMS, TEAMS
from sluice.dev.demo.files import FORBIDDEN
from sluice.dev.demo.state import DemoState, prepare
from sluice.dev.demo.traffic import KINDS, send_traffic
from sluice.dev.vendor import MockVendor
from tests.sluice.dev.demo.quick import without_delays


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DemoState:
    """Tokens of the newcomer and the teams; their vendors answer at once."""
    without_delays(monkeypatch)
    return prepare(tmp_path, real=False)


async def test_two_dozen_exchanges_of_every_kind(mock_vendor: MockVendor, state: DemoState) -> None:
    """Plain, streamed, of each vendor, over a limit, blocked, with a bad token, failing, to a broken LLM, and left."""
    sent = await send_traffic(mock_vendor.url.removesuffix("/v1"), state)
    assert len(sent) == sum(kind.count for kind in KINDS) == 24
    assert [exchange.status for exchange in sent].count(500) == 1
    bodies = [orjson.loads(request.body) for request in mock_vendor.requests]
    assert sum(body["stream"] for body in bodies) == 5
    assert sum(FORBIDDEN in body["messages"][0]["content"] for body in bodies) == 1
    authorizations = [request.header("authorization") for request in mock_vendor.requests]
    assert authorizations.count("Bearer not-a-token") == 1
    assert authorizations.count(f"Bearer {state.token}") == 9
    assert len(set(authorizations)) == len(TEAMS) + 2
    assert sum("/broken/" in request.path for request in mock_vendor.requests) == 1
    assert {llm.slug for llm in LLMS if llm.slug != "gpt"} <= {
        request.path.split("/")[2] for request in mock_vendor.requests
    }


async def test_those_who_leave_do_leave(mock_vendor: MockVendor, state: DemoState) -> None:
    """Their streams are the only ones that the vendor could not finish."""
    await send_traffic(mock_vendor.url.removesuffix("/v1"), state)
    async with asyncio.timeout(60):
        while sum(not served.complete for served in mock_vendor.served) != 1:  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0)
    assert not mock_vendor.served[-1].complete


async def test_nobody_there_is_an_error(state: DemoState) -> None:
    """The caller says so in its own words."""
    with pytest.raises(httpx.HTTPError):
        await send_traffic("http://127.0.0.1:1", state)
