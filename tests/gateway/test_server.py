"""The server below ASGI: raw bytes over real sockets, answered in order, within bounds, and never split."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.asgi import Receive, Scope, Send
from gateway.cycle import HIGH_WATER_BYTES
from gateway.server import LINGER_BYTES, MAX_PIPELINED
from tests.contracts.scripted_upstream import turns, until
from tests.gateway.test_asgi import (
    GET,
    LIMIT,
    OK,
    Desk,
    Erring,
    Held,
    House,
    Seen,
    answer,
    answering,
    codes,
    post,
    serving,
)

CLOSING = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"
HEAD_SECONDS, IDLE_SECONDS = 60.0, 75.0


def padded(size: int) -> bytes:
    """A request whose target, header names and values have so many bytes."""
    return b"GET / HTTP/1.1\r\nx: %b\r\n\r\n" % (b"a" * (size - 2))


REQUEST = st.tuples(st.sampled_from(["length", "chunked", "none"]), st.binary(max_size=40), st.integers(0, 999))


def request_of(framing: str, body: bytes, number: int) -> tuple[bytes, Seen]:
    """A request on the wire, and what the application should see of it."""
    target = b"/%d" % number
    if framing == "length":
        return post(body, target=target), Seen("POST", target + b"?", body)
    if framing == "none" or not body:
        target += b"?q=1"
        return b"GET %b HTTP/1.1\r\n\r\n" % target, Seen("GET", target, b"")
    head = b"PUT %b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" % target
    middle = len(body) // 2
    parts = [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:middle], body[middle:]) if part]
    return head + b"".join(parts) + b"0\r\n\r\n", Seen("PUT", target + b"?", body)


@settings(deadline=None, max_examples=25)
@given(st.lists(REQUEST, min_size=1, max_size=6), st.lists(st.integers(0, 600), max_size=5))
async def test_pipelined_requests_are_answered_in_order(requests: list[Any], cuts: list[int]) -> None:
    """Whatever is sent in whatever pieces: each request is seen once and whole, and answered in its turn."""
    made = [request_of(*request) for request in requests]
    data = b"".join(part for part, _ in made)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    desk = Desk()
    async with serving(desk) as house:
        client = await house.connect(*(data[start:end] for start, end in pairwise(places)))
        got = b"".join([await client.head() + await client.reader.readexactly(1) for _ in made])
    assert desk.seen == [seen for _, seen in made]
    assert [body[-1:] for body in got.split(OK)[1:]] == [b"%d" % (at + 1) for at in range(len(made))]


async def test_a_request_begins_when_the_answer_before_is_out() -> None:
    """Pipelining gives no parallel work on a connection."""
    held = Held(headers=[(b"content-length", b"3")])
    async with serving(held) as house:
        client = await house.connect(GET + GET)
        await held.begun.wait()
        await client.head()
        assert held.count == 1
        await held.end(b"one")
        assert await client.read(b"next") == b"one" + OK + b"content-length: 4\r\n\r\nnext"


KEEPING = [
    (b"GET / HTTP/1.1\r\n\r\n", {}, True),
    (b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n", {}, False),
    (b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", {}, False),
    (b"GET / HTTP/1.1\r\nconnection: keep-alive\r\n\r\n", {"connection": "close"}, False),
    (b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n", {"connection": "keep-alive"}, False),
    (b"GET / HTTP/1.0\r\n\r\n", {}, False),
    (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", {}, False),
    (b"GET / HTTP/1.0\r\nproxy-connection: keep-alive\r\n\r\n", {}, False),
    (b"GET / HTTP/1.1\r\nproxy-connection: keep-alive\r\n\r\n", {}, True),
]


@pytest.mark.parametrize(("request_head", "headers", "is_kept"), KEEPING)
async def test_a_connection_is_kept_where_both_wish_it(request_head: bytes, headers: Any, is_kept: bool) -> None:
    """Else the answer says so, in one line, and the connection ends behind it."""
    async with serving(answering(b"body", **headers)) as house:
        client = await house.connect(request_head)
        head = (await client.head()).lower()
        assert head.count(b"connection:") == (not is_kept)
        assert (b"connection: close" in head) == (not is_kept)
        assert await client.reader.readexactly(4) == b"body"
        if is_kept:
            await client.send(request_head)
            assert (await client.head()).startswith(OK)
        else:
            assert await client.read() == b""


async def expire(house: House, seconds: float, left: int) -> None:
    """What housekeeping does, so much later; so many connections are left."""
    now = asyncio.get_running_loop().time() + seconds
    for connection in house.connections:
        connection.expire(now, HEAD_SECONDS, IDLE_SECONDS)
    await turns(5)
    await until(lambda: len(house.connections) == left)


async def test_a_half_head_and_an_idle_client_are_closed_in_time() -> None:
    """A silent connection, half a head, and one that asks no more; never an exchange that is under way."""
    held = Held()
    async with serving(held) as house:
        served = await house.connect(GET)
        await held.begun.wait()
        silent, half = await house.connect(), await house.connect(b"GET", b" / HT")
        await until(lambda: len(house.connections) == 3)
        await expire(house, HEAD_SECONDS - 5, left=3)
        await expire(house, HEAD_SECONDS + 5, left=1)
        await expire(house, 1e9, left=1)
        assert (await silent.read(), await half.read()) == (b"", b"")
        await held.end()
        await served.read(b"0\r\n\r\n")
        await expire(house, IDLE_SECONDS - 5, left=1)
        assert (await (await served.send(GET)).read(b"next")).endswith(b"next")
        await expire(house, IDLE_SECONDS + 5, left=0)
        assert await served.read() == b""


FRAMED: list[Any] = [
    pytest.param(b"GET", {}, (b"ab", b"", b"c"), b"content-length: 3\r\n\r\nabc", id="length"),
    pytest.param(b"GET", {"length": None}, (b"ab", b"", b"c"),
                 b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", id="chunked"),
    pytest.param(b"GET", {"length": None}, (), b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked-empty"),
    pytest.param(b"GET", {}, (), b"content-length: 0\r\n\r\n", id="empty"),
    pytest.param(b"HEAD", {}, (b"abc",), b"content-length: 3\r\n\r\n", id="head"),
    pytest.param(b"HEAD", {"length": 7}, (), b"content-length: 7\r\n\r\n", id="head-unwritten"),
    pytest.param(b"HEAD", {"length": None}, (b"ab", b"c"), b"\r\n", id="head-without-length"),
    pytest.param(b"GET", {"length": None, "status": 204}, (), b"\r\n", id="204"),
    pytest.param(b"GET", {"length": None, "status": 304}, (), b"\r\n", id="304"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "options", "pieces", "expected"), FRAMED)
async def test_an_answer_s_end_is_seen(method: bytes, options: Any, pieces: Any, expected: bytes) -> None:
    """By its length or chunked; without a body where there can be none. The next answer begins right behind it."""
    async with serving(answering(*pieces, **options)) as house:
        got = await house.whole(method + GET[3:] + method + CLOSING[3:])
        first, second = [part.partition(b"\r\n")[2] for part in got.split(b"HTTP/1.1 ")[1:]]
        assert first == expected
        assert second.replace(b"connection: close\r\n", b"") == expected


@pytest.mark.parametrize(("pieces", "length"), [((b"abc",), 2), ((b"ab", b"cd"), 3), ((b"ab",), 3), ((), 1)])
async def test_a_body_that_is_not_as_long_as_it_says_never_ends_well(pieces: tuple[bytes, ...], length: int) -> None:
    """The application gets RuntimeError, the client a connection that closes early, and not a byte too many."""
    app = Erring(lambda send: answer(send, *pieces, length=length))
    async with serving(app) as house:
        head, _, body = (await house.whole(GET + GET)).partition(b"\r\n\r\n")
        assert len(body) < length
        assert head.endswith(b"content-length: %d" % length)
        assert [type(error) for error in app.errors] == [RuntimeError]


@pytest.mark.parametrize("name", ["x", "x\r\ny", "x\ny"])
@pytest.mark.parametrize("value", ["a\r\n\r\nHTTP/1.1 200 OK", "a\r\nset-cookie: b", "a\nb", "a\rb", "a\r\n b", "\r\n"])
async def test_an_answer_is_not_split_by_its_headers(name: str, value: str) -> None:
    """A line end in a name or a value: nothing of it goes out, the client gets a 500."""
    headers: dict[str, Any] = {name: value}
    app = Erring(lambda send: answer(send, b"body", **headers))
    async with serving(app) as house:
        got = await house.whole(GET)
        assert codes(got) == [b"500"]
        assert got.count(b"\r\n\r\n") == 1
        assert got.endswith(b'"code":"gateway_error"}')
        assert [type(error) for error in app.errors] == [RuntimeError]


TARGETS: list[Any] = [
    (b"/a?b=c&d", "/a", b"/a", b"b=c&d"),
    (b"/a%20b%2fc?x=%41", "/a b/c", b"/a%20b%2fc", b"x=%41"),
    (b"/%ff%zz%", "/\ufffd%zz%", b"/%ff%zz%", b""),
    (b"/a?b?c=/d", "/a", b"/a", b"b?c=/d"),
    (b"//evil/..;/x", "//evil/..;/x", b"//evil/..;/x", b""),
    (b"http://host:8080/llm/x?y=1", "/llm/x", b"/llm/x", b"y=1"),
    (b"http://user@host", "/", b"/", b""),
    (b"http://host?y=1", "/", b"/", b"y=1"),
    (b"/a#fragment?no=query", "/a", b"/a", b""),
]


@pytest.mark.parametrize(("target", "path", "raw_path", "query"), TARGETS)
async def test_a_target_is_split_and_decoded_once(target: bytes, path: str, raw_path: bytes, query: bytes) -> None:
    """Also in absolute form; the raw path and the query are as they came."""
    desk = Desk()
    async with serving(desk) as house:
        await house.whole(b"GET %b HTTP/1.0\r\n\r\n" % target)
    (scope,) = desk.scopes
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)
    assert (scope["method"], scope["http_version"], scope["client"][0]) == ("GET", "1.0", "127.0.0.1")


async def test_a_body_is_asked_for_only_where_it_is_read() -> None:
    """``Expect: 100-continue``: once, before the answer, and not at all where the application answers without it."""
    request = post(b"body", b"Expect: 100-Continue", b"connection: close")
    async with serving(Desk()) as house:
        client = await house.connect(request[:-4])
        assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(request[-4:])
        assert codes(await client.read()) == [b"200"]
    async with serving(answering(b"no", status=401)) as house:
        assert codes(await house.whole(request[:-4])) == [b"401"]


async def test_a_body_that_comes_behind_its_answer_is_no_request() -> None:
    """It is thrown away; the next request on the connection is served."""
    body = GET * 3
    async with serving(answering(b"early")) as house:
        client = await house.connect(post(body)[: -len(body)])
        assert (await client.read(b"early")).startswith(OK)
        await client.send(body[:30], body[30:], CLOSING)
        assert codes(await client.read()) == [b"200"]


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1, 2 * LIMIT + 100])
@pytest.mark.parametrize("manner", ["one piece", "pieces", "pipelined"])
async def test_a_head_has_a_limit(size: int, manner: str) -> None:
    """Target, names and values together: the limit passes, a byte more is 431, counted; however it comes."""
    head, desk, fits = padded(size), Desk(), size <= LIMIT
    pieces = [*(head[at : at + 1] for at in range(40)), head[40:300], head[300:]] if manner == "pieces" else [head]
    async with serving(desk) as house:
        client = await house.connect(*([GET + head] if manner == "pipelined" else pieces))
        if manner != "pipelined":
            got = await (client.head() if fits else client.read())
            assert codes(got) == [b"200" if fits else b"431"]
            assert fits or b'"code":"request_head_too_large"' in got
        seen = int(fits) + (manner == "pipelined")
        await until(lambda: house.metrics.parser_refusals.value("431") == (not fits))
        await until(lambda: len(desk.seen) == seen or not fits)


GARBAGE = [
    b"\x00\xff\x16\x03\x01\r\n\r\n",
    b"GET\r\n\r\n",
    b"NONSENSE / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nx y: z\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nx: a\r\n folded\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
    b"POST / HTTP/1.1\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_what_is_no_request_is_400_and_counted(garbage: bytes) -> None:
    """In one piece or byte by byte, the application never sees it; what comes behind it is not read."""
    desk = Desk()
    async with serving(desk) as house:
        for pieces in ([garbage + GET], [garbage[at : at + 1] for at in range(len(garbage))]):
            got = await house.whole(*pieces)
            assert codes(got) == [b"400"]
            assert got.endswith(b'"code":"request_malformed"}')
        assert house.metrics.parser_refusals.value("400") == 2
    assert desk.seen == []


async def test_an_application_that_fails_is_a_500_or_a_cut() -> None:
    """Before its head the client is told; behind it the connection closes without the last byte."""

    async def fails(send: Send) -> None:
        raise ValueError("a secret")

    async def breaks(send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("a secret")

    for step, code in ((fails, b"500"), (breaks, b"200")):
        async with serving(Erring(step)) as house:
            got = await house.whole(GET + GET)
            assert codes(got) == [code]
            assert b"secret" not in got
            assert not got.endswith(b"0\r\n\r\n")


async def test_a_request_that_waits_does_not_change_the_answer_before_it() -> None:
    """Pieces are framed as their own answer said."""
    held = Held()
    async with serving(held) as house:
        client = await house.connect(GET)
        await held.begun.wait()
        await client.send(GET, b"")
        held.connection.body_writer()(b"abc")
        await held.end()
        assert (await client.read(b"0\r\n\r\n")).endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert codes(await client.read(b"next")) == [b"200"]


@pytest.mark.parametrize("data", [post(b"x" * 5 * LIMIT), GET * MAX_PIPELINED])
async def test_a_head_is_measured_alone(data: bytes) -> None:
    """Neither a large body behind a small head that came in two pieces counts, nor the heads before."""
    desk = Desk()
    async with serving(desk) as house:
        client = await house.connect(data[:10], data[10:-10], data[-10:])
        assert codes(await client.head()) == [b"200"]
        await until(lambda: len(desk.seen) == data.count(b"host: a"))


async def test_trailers_are_no_headers() -> None:
    """They are dropped, or refused: what a request is was decided before its body, and heads have a limit."""
    desk = Desk()
    chunked = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    async with serving(desk) as house:
        client = await house.connect(chunked + b"authorization: late\r\n" * LIMIT + b"\r\n")
        await client.head()
        assert [len(scope["headers"]) for scope in desk.scopes] in ([], [1])


async def test_trailers_are_not_kept() -> None:
    """However many come: a client could fill the memory with them."""
    async with serving(Desk()) as house:
        await house.connect(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 10)
        await until(lambda: house.received > 0)
        connection = house.connections[0]
        connection.on_header(b"a", b"b")
        assert not connection._lines


async def test_whoever_waits_is_told_of_a_client_that_left() -> None:
    """However many wait for it at once; one that was given up takes nothing from the others."""
    told: list[str] = []
    waiting = asyncio.Event()

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        async def listen() -> None:
            told.append((await receive())["type"])

        await receive()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(listen()) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            for _ in range(100):  # as one who looks again and again whether its client is still there
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(receive(), 0.0001)
            active = house.connections[0]._active
            assert active is not None
            assert len(active._waiters) <= 3
            waiting.set()

    async with serving(app) as house:
        client = await house.connect(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await waiting.wait()
        client.writer.transport.abort()
        await until(lambda: told == ["http.disconnect"] * 2)


async def test_a_refusal_does_not_get_into_an_answer() -> None:
    """What is no request is refused in its turn, or the connection is cut: a body holds what its application wrote."""
    held = Held(headers=[(b"content-length", b"500")])
    async with serving(held) as house:
        client = await house.connect(GET)
        await held.begun.wait()
        held.connection.body_writer()(b"x")
        await client.send(b"garbage\r\n\r\n")
        await until(lambda: house.metrics.parser_refusals.value("400"))
        await held.end(b"x" * 499)
        body = (await client.read()).partition(b"\r\n\r\n")[2]
        assert body[:500].strip(b"x") == b""


async def test_what_waits_behind_an_answer_is_bounded() -> None:
    """A client that pipelines without end is not read far ahead of its answers."""
    desk = Desk()
    async with serving(desk, 1 << 20) as house:
        client = await house.connect(padded(LIMIT - 10) * 3 * LIMIT)
        for _ in range(20):
            await client.head()
        assert house.received - len(desk.seen) * LIMIT < LIMIT * LIMIT


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
async def test_a_body_of_a_request_that_asks_for_an_upgrade_is_its_body(protocol: bytes) -> None:
    """Java's client asks for h2c each time. A body is not lost, and is no request; refusing it all is right too."""
    request = post(CLOSING, b"connection: upgrade", b"upgrade: " + protocol)
    for pieces in ([request + CLOSING], [request[: -len(CLOSING)], CLOSING, CLOSING]):
        desk = Desk()
        async with serving(desk) as house:
            client = await house.connect(*pieces)
            await client.head()
            assert desk.seen[:1] in ([], [Seen("POST", b"/?", CLOSING)])
            await client.read()
            assert desk.seen[1:] in ([], [Seen("GET", b"/?", b"")])


@pytest.mark.parametrize(
    ("asked", "closes"),
    [(b"upgrade, Close", True), (b"upgrade\r\nconnection: close", True), (b"upgrade, closed", False)],
)
async def test_who_asks_for_an_upgrade_and_to_close_is_closed(asked: bytes, closes: bool) -> None:
    """As without the ``Upgrade``, which we never take up."""
    async with serving(answering(b"a")) as house:
        client = await house.connect(b"GET / HTTP/1.1\r\nupgrade: h2c\r\nconnection: " + asked + b"\r\n\r\n")
        assert (b"connection: close" in await client.head()) == closes
        assert not closes or await client.read() == b"a"


@pytest.mark.parametrize("kinds", ["start body body", "body", "start start"])
async def test_messages_out_of_turn_are_refused(kinds: str) -> None:
    """With RuntimeError; the client sees no more than one answer."""

    async def speak(send: Send) -> None:
        for kind in kinds.split():
            await send({"type": f"http.response.{kind}"} | ({"status": 200} if kind == "start" else {"body": b"x"}))

    app = Erring(speak)
    async with serving(app) as house:
        assert len(codes(await house.whole(CLOSING))) == 1
    assert [type(error) for error in app.errors] == [RuntimeError]


async def test_an_answer_has_one_date() -> None:
    """The vendor's where it gave one: it says when the answer was made."""
    async with serving(answering(b"a", date="Thu, 01 Jan 1970 00:00:00 GMT")) as house:
        assert (await house.whole(CLOSING)).lower().count(b"date: ") == 1


async def test_more_requests_than_may_wait_are_refused_in_their_turn() -> None:
    """Those before are answered; then 400, and the connection ends."""
    desk = Desk()
    async with serving(desk) as house:
        got = await house.whole(GET * (MAX_PIPELINED + 20))
    assert codes(got) == [*[b"200"] * (MAX_PIPELINED + 1), b"400"]
    assert len(desk.seen) == MAX_PIPELINED + 1


async def test_a_refusal_reaches_a_client_that_is_still_sending() -> None:
    """Its answer is not lost to a reset; what it goes on to send is dropped, within a bound."""

    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, b"too large", status=413, connection="close")

    async with serving(refuse) as house:
        client = await house.connect(b"POST / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n", b"x" * 200_000)
        got = await client.read()
        assert codes(got) == [b"413"]
        assert got.endswith(b"too large")
        for _ in range(2 * LINGER_BYTES // 65_536):
            client.writer.write(b"x" * 65_536)
        await until(lambda: not house.connections)


async def test_a_tunnel_is_refused() -> None:
    """CONNECT is for proxies of another kind."""
    async with serving(Desk()) as house:
        assert codes(await house.whole(b"CONNECT host:443 HTTP/1.1\r\nhost: host\r\n\r\n")) == [b"400"]


async def test_a_client_that_leaves_behind_a_large_body_is_seen() -> None:
    """Reading pauses while a body piles up, and goes on when it is whole: the end of the connection is read too."""
    told: list[str] = []

    async def patient(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (message := await receive()).get("more_body"):
            pass
        told.append(message["type"])
        await until(lambda: not house.connections)
        told.append((await receive())["type"])

    async with serving(patient) as house:
        client = await house.connect(post(b"x" * 4 * HIGH_WATER_BYTES))
        await until(lambda: len(told) == 1)
        client.writer.transport.abort()
        await until(lambda: len(told) == 2)
    assert told == ["http.request", "http.disconnect"]
