"""One connection: order, pace, slow readers, bytes that are no request."""

from __future__ import annotations

import time

import httpx

from sluice.dev.vendor import MockVendor
from tests.sluice.dev.vendor.talking import CHAT, TIMEOUT_SECONDS, ask, chat_request, on_the_wire


async def test_delay_and_pace_take_their_time(mock_vendor: MockVendor) -> None:
    """50 ms before the head and four gaps of 10 ms between five pieces."""
    started = time.perf_counter()
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client,
        client.stream(
            "POST",
            f"{mock_vendor.url}/chat/completions",
            json={**CHAT, "stream": True},
            headers={"x-mock": "delay_ms=50;chunks=4;pace_ms=10"},
        ) as answer,
    ):
        arrived = [time.perf_counter() - started async for _ in answer.aiter_raw()]
    assert arrived[0] >= 0.045
    assert arrived[-1] >= 0.085
    assert len(arrived) > 1


async def test_requests_in_one_write_are_answered_in_order(mock_vendor: MockVendor) -> None:
    """Pipelined requests wait for the one being answered, paced or not."""
    scripts = ["text=a;chunks=1;pace_ms=1", "text=b;chunks=1", "text=c;chunks=1;close=1"]
    answer = await on_the_wire(mock_vendor, b"".join(map(chat_request, scripts)))
    found = [answer.index(b'"content":"%b"' % letter) for letter in (b"a", b"b", b"c")]
    assert found == sorted(found)


async def test_what_is_no_request_is_answered_400_and_closed(mock_vendor: MockVendor) -> None:
    """The vendor survives whatever is sent to it."""
    assert (await on_the_wire(mock_vendor, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert (await ask(mock_vendor)).status_code == 200


async def test_a_slow_reader_is_waited_for(mock_vendor: MockVendor) -> None:
    """20 MB to a client that reads late: the vendor pauses, and all of it arrives."""
    async with (
        httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client,
        client.stream(
            "POST",
            f"{mock_vendor.url}/chat/completions",
            json={**CHAT, "stream": True},
            headers={"x-mock": "chunks=200;piece_bytes=100000;text=x"},
        ) as answer,
    ):
        assert not mock_vendor.served[0].complete
        received = sum([len(chunk) async for chunk in answer.aiter_bytes()])
    assert received > 20_000_000
    assert mock_vendor.served[0].complete
