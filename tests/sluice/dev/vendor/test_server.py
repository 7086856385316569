"""The scripted vendor as a whole: defaults, what it remembers, how it ends."""

from __future__ import annotations

import asyncio

import httpx
import orjson

from sluice.dev.vendor import MockVendor
from sluice.dev.vendor.script import make_script
from tests.sluice.dev.vendor.talking import CHAT, TIMEOUT_SECONDS, ask


async def test_what_arrived_can_be_looked_at(mock_vendor: MockVendor) -> None:
    """Headers with their repetitions and the body, for tests of what a gateway lets through."""
    await ask(mock_vendor, "", **{"X-Client": "one"})
    request = mock_vendor.requests[-1]
    assert request.header("x-client") == "one"
    assert request.header("authorization") is None
    assert orjson.loads(request.body) == CHAT


async def test_defaults_hold_until_a_request_says_otherwise() -> None:
    """A request's header changes the keys that it names and leaves the others."""
    vendor = MockVendor({"prompt_tokens": 100, "response_tokens": 50})
    await vendor.start()
    usage = (await ask(vendor, "response_tokens=1")).json()["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (100, 1)
    vendor.defaults = make_script({"status": 503})
    assert (await ask(vendor)).status_code == 503
    await vendor.close()


async def test_a_bad_script_or_body_is_answered_400_and_not_logged(mock_vendor: MockVendor) -> None:
    """The vendor says what is wrong and goes on with the connection."""
    assert "did you mean" in (await ask(mock_vendor, "statuss=200")).json()["error"]["message"]
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{mock_vendor.url}/chat/completions", content=b"{not json")
        unknown = await client.get(f"{mock_vendor.url}/nothing")
    assert (answer.status_code, unknown.status_code) == (400, 404)
    assert not mock_vendor.served


async def test_a_crash_of_the_vendor_breaks_open_connections(mock_vendor: MockVendor) -> None:
    """``disconnect`` resets everybody; the vendor itself goes on."""
    async with asyncio.TaskGroup() as group:
        hanging = group.create_task(_expect_broken(mock_vendor))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not mock_vendor.served:  # noqa: ASYNC110 - the vendor has no event to wait for
                await asyncio.sleep(0)
        mock_vendor.disconnect()
    assert hanging.result() is True
    assert (await ask(mock_vendor)).status_code == 200


async def _expect_broken(vendor: MockVendor) -> bool:
    try:
        await ask(vendor, "hang=head")
    except httpx.TransportError:
        return True
    return False
