"""The scripted vendor on the wire: its log, its scripts' bounds, and what a client library would not show."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import orjson
import pytest

from sluice.dev.vendor import MockVendor, ScriptError, read_served
from sluice.dev.vendor.script import Script, make_script, parse_script
from sluice.dev.vendor.wire import BadRequestError, cut_request

CHAT = {"model": "mock-small", "messages": [{"role": "user", "content": "hello"}]}
TIMEOUT_SECONDS = 10.0


async def ask(vendor: MockVendor, script: str = "", **headers: str) -> httpx.Response:
    """One chat request."""
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
        return await client.post(f"{vendor.url}/chat/completions", json=CHAT, headers={"x-mock": script, **headers})


async def on_the_wire(vendor: MockVendor, request: bytes) -> bytes:
    """Everything the vendor writes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", vendor.port)
    writer.write(request)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        answer = await reader.read()
    writer.close()
    return answer


def chat_request(script: str, body: bytes | None = None) -> bytes:
    """A request's bytes."""
    body = orjson.dumps(CHAT) if body is None else body
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-mock: {script}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def test_the_log_tells_exchange_usage_and_completeness(mock_vendor: MockVendor) -> None:
    """In memory and at ``/__log``, an entry a request that a script answered."""
    answer = await ask(mock_vendor, "prompt_tokens=3;response_tokens=2", **{"x-sluice-exchange-id": "e-1"})
    await ask(mock_vendor, "status=429")
    first, second = mock_vendor.served
    assert (first.exchange_id, first.model, first.status, first.complete) == ("e-1", "mock-small", 200, True)
    assert (first.prompt_tokens, first.response_tokens) == (3, 2)
    assert (second.status, second.prompt_tokens, second.complete) == (429, None, True)
    assert answer.headers["x-request-id"] == f"mock-{first.number}"
    assert mock_vendor.served_for("e-1") == [first]
    async with httpx.AsyncClient() as client:
        lines = (await client.get(mock_vendor.url.removesuffix("/v1") + "/__log")).text.splitlines()
    assert [orjson.loads(line)["status"] for line in lines] == [200, 429]


async def test_the_log_file_holds_every_finished_request_and_is_appended_to(tmp_path: Path) -> None:
    """Also those whose client left; a torn last line is not an entry."""
    path = tmp_path / "served.jsonl"
    for exchange_id in ("e-1", "e-2"):
        vendor = MockVendor(log_path=path)
        await vendor.start()
        await ask(vendor, **{"x-sluice-exchange-id": exchange_id})
        await vendor.close()
    with path.open("ab") as file:
        file.write(b'{"number":')
    entries = read_served(path)
    assert [entry.exchange_id for entry in entries] == ["e-1", "e-2"]
    assert all(entry.complete for entry in entries)


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


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("chunk=3", "did you mean 'chunks'"),
        ("chunks=many", "whole number"),
        ("chunks=-1", "whole number"),
        ("status=99", "200 to 599"),
        ("hang=forever", "head, body"),
        ("chunks", "key=value"),
    ],
)
def test_a_script_that_cannot_be_followed_is_refused_by_name(text: str, problem: str) -> None:
    """A misspelt key would be a default in silence."""
    with pytest.raises(ScriptError, match=problem):
        parse_script(text, Script())


async def test_a_bad_script_or_body_is_answered_400_and_not_logged(mock_vendor: MockVendor) -> None:
    """The vendor says what is wrong and goes on with the connection."""
    assert "did you mean" in (await ask(mock_vendor, "statuss=200")).json()["error"]["message"]
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{mock_vendor.url}/chat/completions", content=b"{not json")
        unknown = await client.get(f"{mock_vendor.url}/nothing")
    assert (answer.status_code, unknown.status_code) == (400, 404)
    assert not mock_vendor.served


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


@pytest.mark.parametrize(
    ("script", "declared"),
    [("length=short", [-1]), ("length=long", [1]), ("length=conflict", [0, 1]), ("framing=eof", [])],
)
async def test_wrong_lengths_are_declared_as_scripted(
    mock_vendor: MockVendor, script: str, declared: list[int]
) -> None:
    """``Content-Length`` is off by what the script says; the connection closes behind the body."""
    answer = await on_the_wire(mock_vendor, chat_request(script))
    head, _, body = answer.partition(b"\r\n\r\n")
    lengths = [int(line[16:]) - len(body) for line in head.splitlines() if line.startswith(b"content-length: ")]
    assert lengths == declared
    assert orjson.loads(body)["model"] == "mock-small"


async def test_a_silent_close_is_not_announced(mock_vendor: MockVendor) -> None:
    """``close=silent`` is how kept-alive connections go stale; ``close=1`` says so."""
    silent = await on_the_wire(mock_vendor, chat_request("close=silent"))
    announced = await on_the_wire(mock_vendor, chat_request("close=1"))
    assert b"connection: close" not in silent
    assert b"connection: close" in announced


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


def test_a_request_may_come_in_any_pieces() -> None:
    """Cut at every byte, with a declared length or in chunks with trailers, it is the same request."""
    chunked = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nt: 1\r\n\r\n"
    declared = b"POST /a HTTP/1.1\r\nContent-Length:  5\r\n\r\nabcde"
    for whole in (chunked, declared):
        for cut in range(len(whole)):
            assert cut_request(whole[:cut]) is None
        found = cut_request(whole + b"GET")
        assert found is not None
        assert (found[0].target, found[0].body, found[1]) == (b"/a", b"abcde", len(whole))
    with pytest.raises(BadRequestError):
        cut_request(b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n")


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
