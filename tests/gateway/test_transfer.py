"""An answer's bytes on their way: counted, copied, sent as they come, and never an end that is not one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.asgi import Message
from gateway.errors import UpstreamFault, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Exchange
from gateway.outcomes import AuthFailed, Blocked, ClientGone, Overloaded, Refusal, RequestTooLarge, UpstreamFailed
from gateway.settings import GatewaySettings
from gateway.transfer import BrokenAnswer, Transfer, refuse
from gateway.upstreams.client import Take
from gateway.upstreams.vendors.openai import OpenAi
from sluice.dev.vendor import MockVendor
from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler
from tests.gateway.flow import chat_request, raw, running
from tests.gateway.test_exchange import Connection, Upstream, a_snapshot, an_exchange

COPY, DRAIN = 8, 30
DONE = b"data: [DONE]\n\n"
FRAME = b'data: {"choices":[]}\n\n'


class Answer(Upstream):
    """A vendor's answer in pieces; a fault among them is raised."""

    def __init__(
        self, *pieces: bytes | UpstreamFault, then: Callable[[], None] = lambda: None, chunks: bool = False
    ) -> None:
        super().__init__()
        self.left = list(pieces)
        self._then = then
        self._chunks = chunks

    async def read(self) -> bytes:
        """The next piece."""
        piece = self.left.pop(0) if self.left else b""
        if not self.left:
            self._then()
        if isinstance(piece, UpstreamFault):
            raise piece
        return piece

    async def pump(self, take: Take) -> bool:
        """Pieces until ``take`` has enough."""
        while chunk := await self.read():
            if take(chunk, chunk_of(chunk) if self._chunks else b""):
                return False
        return True


def chunk_of(piece: bytes) -> bytes:
    """A piece in the chunked coding."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


class Slow(Connection):
    """A client that takes one piece and then must be waited for."""

    def __init__(self, exchange: Callable[[], Exchange]) -> None:
        super().__init__()
        self.deadlines: list[float] = []
        self._exchange = exchange

    def write_body(self, piece: bytes, chunk: bytes = b"") -> bool:
        """Enough for now."""
        super().write_body(piece, chunk)
        return False

    async def drain(self) -> None:
        """Note how long it may take."""
        self.deadlines.append(self._exchange().deadline)


class Client:
    """A transfer, its exchange, and what was sent."""

    def __init__(self, max_response_bytes: int = 0, **values: Any) -> None:
        self.connection = Connection()
        given = {"connection": self.connection, "response_code": 200, "response_headers": [(b"a", b"b")]}
        self.exchange = an_exchange(**{**given, **values})
        self.sent: list[Message] = []
        self.passed = [0, 0]
        own = {"bodies": {"max_bytes": COPY}, "drain_max_bytes": DRAIN, "client_write_timeout_seconds": 9}
        self.transfer = Transfer(GatewaySettings.model_validate(own), self.exchange, self.send, max_response_bytes)

    async def send(self, message: Message) -> None:
        """Keep it."""
        self.sent.append(message)

    async def pump(self, answer: Answer, *, hide_usage: bool = False) -> bytes:
        """A stream, pumped; what was held."""
        scanner = OpenAi().scanner("/chat/completions", b"text/event-stream", hide_usage=hide_usage)
        assert scanner is not None
        await self.transfer.pump(answer, scanner, (self.passed, 0))
        return scanner.finish()

    def leave(self) -> None:
        """What the server does when the connection is lost."""
        self.exchange.client_left = True

    @property
    def types(self) -> list[str]:
        """The messages that were sent."""
        return [message["type"].removeprefix("http.response.") for message in self.sent]


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=9), max_size=8))
async def test_every_chunk_is_counted_and_passed_on(chunks: list[bytes]) -> None:
    """As it came; the copy is its beginning; the head goes out once, before the first."""
    client = Client()
    answer = Answer(*chunks)
    while chunk := await client.transfer.next(answer):
        await client.transfer.forward(chunk)
        assert client.exchange.deadline == 0.0
    last = client.transfer.last(b"")
    whole = b"".join(chunks)
    exchange = client.exchange
    assert (exchange.chunk_count, exchange.response_bytes) == (len(chunks), len(whole))
    assert b"".join(exchange.response_copy) == whole[:COPY]
    assert b"".join(message.get("body", b"") for message in client.sent) == whole
    assert client.types == (["start"] if chunks else []) + ["body"] * len(chunks)
    assert all(message.get("more_body", True) for message in client.sent)
    assert [message["type"][14:] for message in last] == (["body"] if chunks else ["start", "body"])
    assert last[-1]["more_body"] is False


async def test_the_head_says_what_the_exchange_says_when_it_goes_out() -> None:
    """Hooks may have changed it until then."""
    client = Client(response_code=418)
    client.exchange.response_headers = [(b"x", b"y")]
    head, end = client.transfer.last(b"held")
    assert head == {"type": "http.response.start", "status": 418, "headers": [(b"x", b"y")]}
    assert end == {"type": "http.response.body", "body": b"held", "more_body": False}


async def test_a_client_that_takes_nothing_has_a_deadline() -> None:
    """While a chunk is being sent the sweep may close its connection; not before, not behind."""
    client = Client()
    seen: list[float] = []

    async def send(message: Message) -> None:
        seen.append(client.exchange.deadline)

    client.transfer = Transfer(GatewaySettings(client_write_timeout_seconds=9), client.exchange, send)
    await client.transfer.start()
    begun = time.monotonic()
    await client.transfer.forward(b"x")
    assert begun + 9 <= seen[-1] <= time.monotonic() + 9
    assert client.exchange.deadline == 0.0


@pytest.mark.parametrize("started", [False, True])
async def test_who_left_missed_what_was_forwarded(started: bool) -> None:
    """Then its answer has no end, and is partial."""
    client = Client()
    if started:
        await client.transfer.forward(b"a")
    client.leave()
    await client.transfer.forward(b"b")
    assert client.types == (["start", "body"] if started else [])
    with pytest.raises(ClientGone):
        client.transfer.last(b"")
    assert client.exchange.partial


async def test_who_left_and_lacks_only_the_end_has_his_answer() -> None:
    """It was all sent but the last byte: that is no answer that was cut."""
    client = Client()
    await client.transfer.forward(b"a")
    client.leave()
    assert len(client.transfer.last(b"end")) == 1
    assert not client.exchange.partial


async def test_who_left_before_the_head_has_nothing() -> None:
    """Though nothing was forwarded yet."""
    client = Client()
    client.leave()
    with pytest.raises(ClientGone):
        client.transfer.last(b"whole")


async def test_an_answer_is_drained_within_a_bound() -> None:
    """For its usage: up to ``drain_max_bytes`` behind the client's leaving; then the vendor's connection is closed."""
    client, answer = Client(), Answer(b"a" * 100, b"b" * DRAIN, b"c", b"d")
    assert await client.transfer.next(answer)
    client.leave()
    assert await client.transfer.next(answer) == b"b" * DRAIN
    with pytest.raises(ClientGone):
        await client.transfer.next(answer)
    assert (answer.aborted, answer.left, client.exchange.partial) == (1, [b"d"], True)


async def test_a_drain_that_took_too_long_ends() -> None:
    """With the next chunk, however small."""
    client, answer = Client(client_left=True, drain_expired=True), Answer(b"a", b"b")
    with pytest.raises(ClientGone):
        await client.transfer.next(answer)
    assert answer.aborted == 1


@pytest.mark.parametrize("is_pumped", [False, True])
@pytest.mark.parametrize("started", [False, True])
async def test_an_answer_beyond_its_llm_s_bound_is_cut(is_pumped: bool, started: bool) -> None:
    """The piece that passes the bound goes nowhere, and the vendor's connection is closed; a bound that is met is none
    that is passed."""
    client, answer = Client(max_response_bytes=2 * len(FRAME)), Answer(FRAME, FRAME, FRAME, DONE)
    if started:
        await client.transfer.start()

    async def read_all() -> None:
        while await client.transfer.next(answer):
            pass

    with pytest.raises(BrokenAnswer) as caught:
        await (client.pump(answer) if is_pumped else read_all())
    refusal = caught.value
    assert (refusal.status, refusal.outcome, refusal.code) == (502, "upstream_error", "response_too_large")
    assert (refusal.started, client.exchange.partial, answer.aborted, answer.left) == (started, True, 1, [DONE])
    assert client.exchange.response_bytes == 3 * len(FRAME)
    assert client.connection.written == ([FRAME, FRAME] if is_pumped else [])
    refuse(client.exchange, refusal)
    assert client.exchange.error_kind == "response_too_large"


@pytest.mark.parametrize("is_pumped", [False, True])
async def test_an_answer_too_large_for_who_is_gone_is_his_leaving(is_pumped: bool) -> None:
    """Nobody is there to be refused."""
    client, answer = Client(max_response_bytes=3, client_left=True), Answer(b"abcd", b"e")
    with pytest.raises(ClientGone):
        await (client.pump(answer) if is_pumped else client.transfer.next(answer))
    assert (answer.aborted, client.exchange.partial) == (1, True)


FAULTS: list[Any] = [
    (UpstreamTimeout("idle", 1), 504, "upstream_timeout"),
    (UpstreamProtocolError("cut"), 502, "upstream_error"),
    (UpstreamUnreachable("odd"), 502, "upstream_unreachable"),
]


@pytest.mark.parametrize(("fault", "status", "outcome"), FAULTS)
@pytest.mark.parametrize("is_pumped", [False, True])
async def test_an_answer_that_breaks_off_is_refused_or_cut(
    fault: UpstreamFault, status: int, outcome: str, is_pumped: bool
) -> None:
    """Before our head is out the client is told; behind it there is no message that could end the answer."""
    for started in (False, True):
        client = Client()
        if started:
            await client.transfer.start()
        with pytest.raises(BrokenAnswer) as caught:
            await (client.pump(Answer(FRAME, fault)) if is_pumped else client.transfer.next(Answer(fault)))
        refusal = caught.value
        assert (refusal.status, refusal.outcome, refusal.started, client.exchange.partial) == (
            status, outcome, started, True,
        )  # fmt: skip
        messages = refuse(client.exchange, refusal)
        assert client.exchange.outcome == outcome
        assert (messages == []) == started


@pytest.mark.parametrize("is_pumped", [False, True])
async def test_a_break_that_nobody_sees_is_the_client_s_leaving(is_pumped: bool) -> None:
    """The vendor's fault changes nothing for who is gone."""
    client, answer = Client(client_left=True), Answer(UpstreamProtocolError("cut"))
    with pytest.raises(ClientGone):
        await (client.pump(answer) if is_pumped else client.transfer.next(answer))
    assert client.exchange.partial


@settings(deadline=None)
@given(st.lists(st.integers(0, 120), max_size=6))
async def test_a_stream_is_pumped_as_it_comes_and_its_end_is_held(cuts: list[int]) -> None:
    """In whatever pieces: all but the terminal event is written, in order; what is behind it is not waited for."""
    client, body = Client(), FRAME * 3 + DONE
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    answer = Answer(*(body[start:end] for start, end in pairwise(places)))
    held = await client.pump(answer)
    assert b"".join(client.connection.written) == FRAME * 3
    assert held == DONE
    exchange = client.exchange
    assert (exchange.response_bytes, exchange.sse_frames, exchange.partial) == (len(body), 4, False)
    assert exchange.chunk_count == len(places) - 1
    assert b"".join(exchange.response_copy) == body[:COPY]
    assert client.passed[0] == len(body)
    assert b"" not in client.connection.written
    assert client.connection.ends_expected == 1, "what came with the end may wait for it"


async def test_a_piece_that_came_as_a_chunk_goes_on_as_that_chunk() -> None:
    """Where it goes out as one; what is left of one of which something is held or hidden is written anew."""
    client, hides = Client(), b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
    pieces = [FRAME, FRAME + hides, hides, FRAME, FRAME + DONE]
    answer = Answer(*pieces, chunks=True)
    held = await client.pump(answer, hide_usage=True)
    assert client.connection.written == [chunk_of(FRAME), FRAME, chunk_of(FRAME), FRAME]
    assert held == DONE
    assert client.exchange.chunk_count == len(pieces)


async def test_a_stream_whose_end_never_comes_ends_with_its_body() -> None:
    """Then it was read to its end, which is noted; behind a terminal event it is not."""
    client = Client()
    assert await client.pump(Answer(FRAME, b"data: {")) == b"data: {"
    assert client.exchange.upstream_ended_ns > 0
    assert client.connection.ends_expected == 0
    client = Client()
    await client.pump(Answer(FRAME, DONE, b"never read"))
    assert client.exchange.upstream_ended_ns == 0
    assert b"".join(client.connection.written) == FRAME


async def test_a_slow_client_slows_the_vendor_and_has_a_deadline() -> None:
    """Nothing is asked for while it drains, within ``client_write_timeout_seconds``."""
    slow = Slow(lambda: client.exchange)
    client = Client(connection=slow)
    begun = time.monotonic()
    await client.pump(Answer(FRAME, FRAME, DONE))
    assert slow.written == [FRAME, FRAME]
    assert all(begun + 9 <= deadline <= time.monotonic() + 9 for deadline in slow.deadlines)
    assert len(slow.deadlines) >= 2
    assert client.exchange.deadline == 0.0


async def test_a_slow_client_s_last_piece_waits_for_no_end() -> None:
    """The client is waited for first: nothing is kept from it meanwhile."""
    slow = Slow(lambda: client.exchange)
    client = Client(connection=slow)
    await client.pump(Answer(FRAME, FRAME + DONE))
    assert slow.written == [FRAME, FRAME]
    assert slow.ends_expected == 0


async def test_a_stream_is_drained_for_who_left() -> None:
    """To its terminal event within the bound, and nothing more is written; what was missed has no end."""
    client, answer = Client(client_left=True), Answer(b"data: 1\n\n", DONE[:6], DONE[6:], b"never read")
    await client.pump(answer)
    assert (client.connection.written, answer.left) == ([], [b"never read"])
    assert client.connection.ends_expected == 0
    with pytest.raises(ClientGone):
        client.transfer.last(DONE)
    client, answer = Client(client_left=True), Answer(FRAME * 2, DONE)
    with pytest.raises(ClientGone):
        await client.pump(answer)
    assert (answer.aborted, answer.left) == (1, [DONE])


REFUSALS: list[Any] = [
    pytest.param(AuthFailed("who are you"), 401, "auth_failed", id="auth"),
    pytest.param(RequestTooLarge("large"), 413, "request_too_large", id="large"),
    pytest.param(Overloaded("crowded"), 503, "overloaded", id="overloaded"),
    pytest.param(UpstreamFailed(504, "upstream_timeout", "slow"), 504, "upstream_timeout", id="upstream"),
    pytest.param(Refusal('a "quoted" \n text \x00 é'), 500, "gateway_error", id="fault"),
]


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize(("refusal", "status", "outcome"), REFUSALS)
def test_a_refusal_is_an_answer_of_ours(refusal: Refusal, status: int, outcome: str, is_known: bool) -> None:
    """In the vendor's shape, with its length, our ids and its own headers; it is what the event says was answered."""
    exchange = an_exchange(llm=a_snapshot()[1] if is_known else None, response_copy=[b"before"], response_bytes=6)
    head, end = refuse(exchange, refusal)
    headers = dict(head["headers"])
    assert len(headers) == len(head["headers"])
    assert (head["status"], end["more_body"], exchange.outcome) == (status, False, outcome)
    assert json.loads(end["body"])["error"]["message"] == refusal.message
    assert headers[b"content-length"] == str(len(end["body"])).encode()
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"x-sluice-exchange-id"] == exchange.exchange_id.encode()
    assert headers.get(b"connection") == (b"close" if refusal.close else None)
    assert set(dict(refusal.headers)) <= set(headers)
    assert (exchange.response_code, exchange.response_copy, exchange.response_bytes) == (
        status, [end["body"]], len(end["body"]),
    )  # fmt: skip


def test_a_plugin_s_answer_is_its_own() -> None:
    """Its body and content type, whatever they are; an empty body is none of ours either."""
    for body in (b"cached", b""):
        refusal = Blocked(200, "blocked_pre_auth", "", ((b"content-type", b"text/plain"),), body)
        head, end = refuse(an_exchange(), refusal)
        assert end["body"] == body
        assert [value for name, value in head["headers"] if name == b"content-type"] == [b"text/plain"]


class Bodiless(BasePlugin, PostAuthHandler):
    """Gives a body to a status that has none: the one that the request's body says."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.block(int(request.body), body=b"text")


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_has_no_body_gets_none(mock_vendor: MockVendor, tmp_path: Path, status: int) -> None:
    """RFC 9112, 6.3: what a plugin says with such a status must not desynchronise the connection."""
    llm = {"id": 1, "slug": "demo", "base_url": mock_vendor.url, "plugins": ["bodiless"]}
    plugin = {"id": 1, "name": "bodiless", "command": f"python://{__name__}:Bodiless"}
    apps = [{"id": 1, "name": "tests", "llms": ["demo"]}, {"id": 2, "name": "stranger"}]
    request = chat_request(more="connection: close\r\n").partition(b"content-length: ")[0]
    async with running(tmp_path, mock_vendor.url, llms=[llm], plugins=[plugin], apps=apps) as flow:
        answer, _, writer = await raw(flow, request + b"connection: close\r\ncontent-length: 3\r\n\r\n%d" % status)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 %d" % status)
        assert answer.endswith(b"\r\n\r\n")


def test_what_an_event_says_may_differ_from_what_a_client_is_told() -> None:
    """The first reason stays: a refusal names its own only where none is known."""
    refusal = Refusal("told", code="code")
    refusal.detail = "the whole truth"
    exchange = an_exchange(error_kind="timeout_idle")
    _, end = refuse(exchange, refusal)
    assert (exchange.error_kind, exchange.error_message) == ("timeout_idle", "the whole truth")
    assert b"truth" not in end["body"]
