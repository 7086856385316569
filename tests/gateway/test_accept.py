"""Step 1: an exchange with its ids, its LLM and its body, read within bounds; refused before anything is spent."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.accept import Acceptor, note_what_was_asked
from gateway.asgi import CONNECTION, Message, Receive
from gateway.exchange import Exchange
from gateway.outcomes import (
    ClientGone,
    EventLogUnavailable,
    LlmUnknown,
    Overloaded,
    Refusal,
    RequestInvalid,
    RequestTooLarge,
)
from gateway.routes import Intent, Route
from gateway.settings import GatewaySettings
from gateway.snapshot import Chains, Llm
from gateway.sweep import Sweep
from sluice.dev.vendor import MockVendor
from tests.gateway.flow import SECONDS, chat_request, running
from tests.gateway.memory_log import MemoryLog
from tests.gateway.recording.test_recorder import Bench
from tests.gateway.test_exchange import Connection, a_snapshot, an_exchange
from tests.gateway.test_snapshot import a_chain

SNAPSHOT, LLM = a_snapshot()
LIMIT = 10
ROUTE = Route("call", "demo", "chat/completions")
TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Door:
    """An acceptor, and what it stands on."""

    def __init__(self, folder: Path, **own: Any) -> None:
        self.log: MemoryLog
        bench = Bench(folder)
        self.log, self.recorder = bench.log, bench.recorder
        self.sweep = Sweep(1)
        given = GatewaySettings.model_validate({"max_request_bytes": LIMIT, "max_in_flight": 1} | own)
        self.acceptor = Acceptor(given, lambda: SNAPSHOT, self.recorder, self.sweep)

    async def accept(self, receive: Receive, **values: Any) -> Exchange:
        """An exchange, accepted."""
        exchange = an_exchange(**values)
        self.sweep.watch(exchange)
        try:
            llm, snapshot = await self.acceptor.accept(exchange, receive)
        finally:
            self.sweep.forget(exchange)
        assert (llm, snapshot) == (exchange.llm, SNAPSHOT)
        return exchange


@pytest.fixture(name="door")
def door_in_folder(tmp_path: Path) -> Door:
    """Bodies of ten bytes, one exchange at a time."""
    return Door(tmp_path)


def receiving(*pieces: bytes | None, then: Callable[[], None] | None = None) -> Receive:
    """A body in pieces; ``None`` is a client that leaves. Nothing is asked for behind the end."""
    left = list(pieces)

    async def receive() -> Message:
        assert left, "behind its end nobody reads"
        piece = left[0] if left[0] is None else left.pop(0)
        if then is not None and not left:
            then()
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    return receive


def opened(headers: list[tuple[bytes, bytes]], client: Any = ("192.0.2.1", 5), route: Route = ROUTE) -> Exchange:
    """What ``open`` makes of a head."""
    scope = {"headers": headers, "client": client, "method": "PUT", "query_string": b"a=b", CONNECTION: Connection()}
    return Acceptor(GatewaySettings(), lambda: SNAPSHOT, Any, Sweep(1)).open(route, scope)  # type: ignore[arg-type]


def test_an_exchange_begins_with_what_the_head_says() -> None:
    """Its own id and clock, the client's address, path, query and headers; the rest is not known."""
    headers = [(b"accept", b"x")]
    exchange = opened(headers, route=Route("call", "demo", "a%2Fb"))
    assert (exchange.method, exchange.path, exchange.query) == ("PUT", "/a%2Fb", b"a=b")
    assert (exchange.remote_addr, exchange.headers, exchange.body) == ("192.0.2.1", headers, b"")
    assert exchange.request_id == exchange.exchange_id
    assert exchange.exchange_id != opened([]).exchange_id
    assert 0 <= time.monotonic_ns() - exchange.started_ns < 10**10
    assert (exchange.outcome, exchange.llm, exchange.traceparent, exchange.trace_id) == (None, None, "", "")


@pytest.mark.parametrize(
    ("proxies", "lines", "address"),
    [
        ((), [b"198.51.100.9"], "192.0.2.1"),
        (("10.0.0.0/8",), [b"198.51.100.9"], "192.0.2.1"),
        (("192.0.2.0/24",), [b"203.0.113.5, 198.51.100.9"], "198.51.100.9"),
        (("192.0.2.0/24",), [b"198.51.100.9", b"203.0.113.5"], "203.0.113.5"),
        (("192.0.2.0/24",), [b"\xff"], "192.0.2.1"),
        (("192.0.2.0/24",), [], "192.0.2.1"),
    ],
)
def test_a_proxy_that_is_trusted_says_who_the_client_is(
    proxies: tuple[str, ...], lines: list[bytes], address: str
) -> None:
    """The last of all its lines; nobody else is believed."""
    settings = GatewaySettings(trusted_proxies=proxies)
    scope = {
        "headers": [(b"x-forwarded-for", line) for line in lines],
        "client": ("192.0.2.1", 5), "method": "GET", "query_string": b"", CONNECTION: Connection(),
    }  # fmt: skip
    exchange = Acceptor(settings, lambda: SNAPSHOT, Any, Sweep(1)).open(ROUTE, scope)  # type: ignore[arg-type]
    assert exchange.remote_addr == address


def test_the_connection_tells_its_exchange() -> None:
    """It is told whom it serves before anything is read."""
    served: list[Exchange] = []
    connection = Connection()
    connection.serve = served.append  # type: ignore[assignment,method-assign]
    scope: dict[str, Any] = {
        "headers": [],
        "client": None,
        "method": "GET",
        "query_string": b"",
        CONNECTION: connection,
    }
    exchange = Acceptor(GatewaySettings(), lambda: SNAPSHOT, Any, Sweep(1)).open(ROUTE, scope)  # type: ignore[arg-type]
    assert served == [exchange]
    assert exchange.remote_addr == "", "a client behind a Unix socket has no address"


@pytest.mark.parametrize(
    ("value", "is_taken"),
    [(b"mine-1", True), (b"a" * 128, True), (b"", False), (b"a" * 10_000, False), (b"a b", False), (b"\xff", False),
     (b'"}', False), (b"a\tb", False)],
)  # fmt: skip
def test_a_client_s_own_id_is_kept_where_it_is_well_formed(value: bytes, is_taken: bool) -> None:
    """Else ours stands for it: it goes into logs, headers and keys."""
    exchange = opened([(b"x-request-id", value)])
    assert (exchange.request_id == value.decode("latin-1")) == is_taken
    assert is_taken or exchange.request_id == exchange.exchange_id


def test_a_trace_is_continued_where_it_is_one() -> None:
    """What is malformed is as good as none."""
    exchange = opened([(b"traceparent", TRACEPARENT)])
    assert (exchange.traceparent, exchange.trace_id) == (TRACEPARENT.decode(), TRACEPARENT.decode()[3:35])
    for broken in (b"", b"00-0-0-0", TRACEPARENT.upper(), TRACEPARENT + b"-x", b"\xff" * 55):
        assert opened([(b"traceparent", broken)]).trace_id == ""


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"x-request-id", b"traceparent", b"other"]), st.binary(max_size=60))))
def test_no_head_is_refused_by_opening(headers: list[tuple[bytes, bytes]]) -> None:
    """Every request is an exchange, so that what refuses it is recorded."""
    exchange = opened(headers)
    assert exchange.headers == headers
    assert exchange.request_id.isascii()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=6), min_size=1, max_size=6), st.booleans())
async def test_a_body_is_read_whole_or_refused(tmp_path_factory: Any, pieces: list[bytes], is_declared: bool) -> None:
    """In whatever pieces, with or without its length: up to the limit it is the body, beyond it 413."""
    body = b"".join(pieces)
    door = Door(tmp_path_factory.mktemp("door"))
    headers = [(b"content-length", b"%d" % len(body))] if is_declared else []
    if len(body) > LIMIT:
        with pytest.raises(RequestTooLarge) as caught:
            await door.accept(receiving(*pieces), headers=headers)
        assert caught.value.close, "it was not read to its end"
    else:
        exchange = await door.accept(receiving(*pieces), headers=headers)
        assert (exchange.body, exchange.deadline) == (body, 0.0)


async def test_a_body_that_says_it_is_too_large_is_not_read(door: Door) -> None:
    """Not a byte of it is asked for."""
    for length in (b"11", b"9" * 30):
        with pytest.raises(RequestTooLarge, match=r"10 bytes \(gateway\.max_request_bytes\)"):
            await door.accept(receiving(), headers=[(b"content-length", length)])


@pytest.mark.parametrize(
    ("own", "limit", "key"),
    [(4, 4, "the LLM's max_request_bytes"), (LIMIT + 1, LIMIT, "gateway.max_request_bytes"),
     (0, LIMIT, "gateway.max_request_bytes")],
)  # fmt: skip
async def test_an_llm_has_a_limit_of_its_own(tmp_path: Path, own: int, limit: int, key: str) -> None:
    """The smaller one holds, and is named; a body that says it is too large is not read for it either."""
    llm = dataclasses.replace(SNAPSHOT.llms_by_slug["demo"], max_request_bytes=own)
    snapshot = dataclasses.replace(SNAPSHOT, llms_by_slug={"demo": llm})
    door = Door(tmp_path)
    door.acceptor = Acceptor(GatewaySettings(max_request_bytes=LIMIT), lambda: snapshot, door.recorder, door.sweep)
    exchange = an_exchange()
    await door.acceptor.accept(exchange, receiving(b"x" * limit))
    door.recorder.close(exchange)
    cases: list[tuple[Receive, list[tuple[bytes, bytes]]]] = [
        (receiving(), [(b"content-length", b"%d" % (limit + 1))]),
        (receiving(b"x" * (limit + 1)), []),
        (receiving(b"x" * limit, b"x", b"x"), []),
    ]
    for receive, headers in cases:
        exchange = an_exchange(headers=headers)
        with pytest.raises(RequestTooLarge) as caught:
            await door.acceptor.accept(exchange, receive)
        assert caught.value.message == f"the request body is larger than {limit} bytes ({key})"
        door.recorder.close(exchange)


async def test_a_body_that_never_ends_is_given_up_at_the_limit(door: Door) -> None:
    """What comes beyond the limit is not kept."""
    asked = []

    async def receive() -> Message:
        asked.append(1)
        return {"type": "http.request", "body": b"xxxx", "more_body": True}

    with pytest.raises(RequestTooLarge):
        await door.accept(receive)
    assert len(asked) <= 4


async def test_who_is_slow_has_a_deadline(tmp_path: Path) -> None:
    """While a body is awaited the sweep may close the connection; behind its end it may not."""
    door = Door(tmp_path, client_read_timeout_seconds=7)
    exchange = an_exchange()
    seen: list[float] = []
    receive = receiving(b"a", b"b", then=lambda: seen.append(exchange.deadline))
    begun = time.monotonic()
    await door.acceptor.accept(exchange, receive)
    assert begun + 7 <= seen[0] <= time.monotonic() + 7
    assert (exchange.deadline, exchange.body) == (0.0, b"ab")


async def test_who_sends_no_body_has_a_deadline_too(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """A head that announces a body holds room in the event log and a place among those in flight."""
    head, end, _ = chat_request().partition(b"\r\n\r\n")
    async with running(tmp_path, mock_vendor.url, gateway={"client_read_timeout_seconds": 0.1}) as flow:
        host, port = flow.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(head + end)
            async with asyncio.timeout(SECONDS):  # the default is a minute
                assert await reader.read() == b""
        finally:
            writer.transport.abort()
            await flow.recorded()
        assert flow.log.exchanges[-1]["proxy_log"]["outcome"] == "client_closed"


@pytest.mark.parametrize("pieces", [(None,), (b"a", None), (b"a", b"b", None)])
async def test_who_leaves_inside_the_body_is_gone(door: Door, pieces: tuple[bytes | None, ...]) -> None:
    """Half a request is none."""
    with pytest.raises(ClientGone):
        await door.accept(receiving(*pieces))


async def test_who_is_known_to_have_left_is_not_read_on(door: Door) -> None:
    """Though the server may have pieces left."""
    exchange = an_exchange(client_left=True)
    with pytest.raises(ClientGone):
        await door.acceptor.accept(exchange, receiving(b"a", b"b"))


@pytest.mark.parametrize(
    ("route", "kind"),
    [
        (Route("call", "nobody", "x"), LlmUnknown),
        (Route("call", "", "x"), LlmUnknown),
        (Route("call", "2" * 40, "x", by_id=True), LlmUnknown),
        (Route("call", "demo", "x", by_id=True, problem="the path climbs"), RequestInvalid),
        (Route("call", "x" * 10_000, "x"), LlmUnknown),
    ],
)
async def test_a_route_to_nowhere_is_refused_unread(door: Door, route: Route, kind: type[Refusal]) -> None:
    """In few words, whatever was asked for."""
    with pytest.raises(kind) as caught:
        await door.accept(receiving(), route=route)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(("slug", "by_id"), [("demo", False), ("1", True), ("001", True)])
async def test_an_llm_is_found_by_slug_or_id(door: Door, slug: str, by_id: bool) -> None:
    """And only by the one that was meant."""
    exchange = await door.accept(receiving(b"x"), route=Route("call", slug, "x", by_id=by_id))
    assert exchange.llm is LLM
    if by_id:
        with pytest.raises(LlmUnknown):
            await door.accept(receiving(), route=Route("call", slug, "x"))


async def test_room_comes_first(door: Door) -> None:
    """Too many at once, or no room in the event log: refused before a body is read, and the connection is closed."""
    door.log.has_room = False
    with pytest.raises(EventLogUnavailable) as full:
        await door.accept(receiving())
    door.log.has_room = True
    door.sweep.watch(an_exchange())
    with pytest.raises(Overloaded) as crowded:
        await door.accept(receiving())
    assert door.log.reserved == 0
    for refusal in (full.value, crowded.value):
        assert (refusal.status, refusal.close) == (503, True)
        assert dict(refusal.headers)[b"retry-after"].isdigit()


def understood(body: bytes, intent: Intent = "call", llm: Llm = LLM) -> Exchange:
    """An exchange whose body was read."""
    exchange = an_exchange(body=body, route=Route(intent, "demo", "chat/completions"), llm=llm)
    Acceptor(GatewaySettings(), lambda: SNAPSHOT, Any, Sweep(1)).understand(exchange, llm)  # type: ignore[arg-type]
    return exchange


def test_what_a_body_asks_is_read() -> None:
    """Model, stream, choices and the maximum of tokens; the body itself stays."""
    body = b'{"model":"gpt-4o","max_tokens":9,"n":3,"messages":[]}'
    exchange = understood(body)
    assert (exchange.model, exchange.is_stream, exchange.choices, exchange.max_response_tokens) == (
        "gpt-4o", False, 3, 9,
    )  # fmt: skip
    assert (exchange.body, exchange.asked_for_usage) == (body, False)


def test_a_stream_is_asked_for_its_usage() -> None:
    """Where the client did not; it is remembered, so that the client does not see it."""
    exchange = understood(b'{"model":"gpt-4o","stream":true}')
    assert (exchange.is_stream, exchange.asked_for_usage) == (True, True)
    assert b'"include_usage":true' in exchange.body.replace(b" ", b"")
    wanted = b'{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}}'
    exchange = understood(wanted)
    assert (exchange.body, exchange.asked_for_usage) == (wanted, False)


@pytest.mark.parametrize(
    ("body", "model"), [(b'{"messages":[]}', "gpt-4o-mini"), (b'{"model":"gpt-x"}', "gpt-x"), (b"", None)]
)
def test_a_missing_model_is_the_llm_s_own(body: bytes, model: str | None) -> None:
    """In the body too; a request without a body asks for none."""
    exchange = understood(body)
    assert exchange.model == model
    assert (model or "").encode() in exchange.body


@pytest.mark.parametrize(
    "body", [b"{", b"[1", b"{'a':1}", b'{"model":1}', b'{"stream":"yes"}', b"\xff", b"[" * 100_000]
)
def test_what_is_not_understood_is_a_400(body: bytes) -> None:
    """It names the fault, and nothing was sent."""
    with pytest.raises(RequestInvalid, match="the body is not the JSON it should be"):
        understood(body)


@pytest.mark.parametrize(
    ("intent", "body", "code"),
    [
        ("rest", b'{"model":"gpt","stream":true}', "stream_mismatch"),
        ("stream", b'{"model":"gpt"}', "stream_mismatch"),
        ("stream", b'{"model":"gpt","stream":false}', "stream_mismatch"),
        ("stream", b'{"model":"gpt","stream":true}', ""),
        ("stream", b"", ""),
        ("rest", b'{"model":"gpt"}', ""),
        ("call", b'{"model":"gpt","stream":true}', ""),
    ],
)
def test_a_path_that_says_how_to_answer_is_meant(intent: Intent, body: bytes, code: str) -> None:
    """``/llm/rest`` answers whole, ``/llm/stream`` streams, ``/llm/call`` does either."""
    if not code:
        assert understood(body, intent).is_stream == (b"true" in body)
        return
    with pytest.raises(RequestInvalid) as caught:
        understood(body, intent)
    assert caught.value.code == code


def test_a_stream_is_refused_where_plugins_read_whole_answers() -> None:
    """Before the vendor is called; the refusal names the plugin."""
    llm = dataclasses.replace(LLM, chains=Chains(stream_refused_by="the filter"))
    with pytest.raises(RequestInvalid, match="plugin 'the filter'") as caught:
        understood(b'{"model":"gpt","stream":true}', llm=llm)
    assert caught.value.code == "stream_refused"
    assert understood(b'{"model":"gpt"}', llm=llm).is_stream is False


def test_the_request_as_plugins_left_it_is_kept_for_who_sees_streams_whole() -> None:
    """Before edits of ours, and for nobody else."""
    body = b'{"model":"gpt","stream":true}'
    llm = dataclasses.replace(LLM, chains=Chains(stream_complete=a_chain("stream_complete")))
    exchange = understood(body, llm=llm)
    assert exchange.plugins_body == body != exchange.body
    assert understood(body).plugins_body is None
    assert understood(b'{"model":"gpt"}', llm=llm).plugins_body is None


@pytest.mark.parametrize(
    ("body", "app", "noted"),
    [
        (b'{"model":"gpt","stream":true}', True, ("gpt", True)),
        (b'{"model":"gpt","stream":true}', False, (None, False)),
        (b'{"model":7}', True, (None, False)),
        (b"{", True, (None, False)),
    ],
)
def test_what_a_plugin_answered_is_noted(body: bytes, app: bool, noted: tuple[str | None, bool]) -> None:
    """The events of a cache's hit say which model it spared; of strangers nothing is kept, and nothing is refused."""
    exchange = an_exchange(body=body, llm=LLM, app=SNAPSHOT.apps[1] if app else None)
    note_what_was_asked(exchange)
    assert (exchange.model, exchange.is_stream) == noted
