"""What upstream clients make of answers: the good ones at every split, the bad ones refused, the cut ones known."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from gateway.errors import UpstreamProtocolError
from gateway.upstreams.client import Headers
from tests.contracts.scripted_upstream import Peer, Script, turns, until
from tests.contracts.upstream_bench import Bench, ask, fault_of, fetch, on_both_clients

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Good:
    """An answer, and what it says."""

    raw: bytes
    body: bytes = b""
    headers: Headers = field(default_factory=list)
    status: int = 200
    method: bytes = b"GET"
    kept: bool = True
    """The connection can be used again."""


GOOD = {
    "length": Good(OK + b"Content-Length: 5\r\n\r\nhello", b"hello", [(b"content-length", b"5")]),
    "length zero": Good(OK + b"content-length: 0\r\n\r\n", b"", [(b"content-length", b"0")]),
    "no reason": Good(b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx", b"x", [(b"content-length", b"1")]),
    "odd status": Good(b"HTTP/1.1 529 \r\ncontent-length: 1\r\n\r\nx", b"x", [(b"content-length", b"1")], status=529),
    "headers as they are": Good(
        OK + b"X-B: 1\r\nx-a:  two words \t\r\nX-B: caf\xe9\r\nX-Empty:\r\ncontent-encoding: gzip\r\n"
        b"content-length: 2\r\n\r\n\x1f\x8b",
        b"\x1f\x8b",
        [
            (b"x-b", b"1"),
            (b"x-a", b"two words"),
            (b"x-b", b"caf\xe9"),
            (b"x-empty", b""),
            (b"content-encoding", b"gzip"),
            (b"content-length", b"2"),
        ],
    ),
    "chunked": Good(CHUNKED + b"5\r\nhello\r\nA\r\n, world.\r\n\r\n0\r\n\r\n", b"hello, world.\r\n"),
    "chunk extensions": Good(CHUNKED + b'3;a=1;b="x"\r\none\r\n0;z\r\n\r\n', b"one"),
    "trailers": Good(CHUNKED + b"3\r\none\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n", b"one"),
    "chunked, empty": Good(CHUNKED + b"0\r\n\r\n"),
    "until closed": Good(OK + b"X: y\r\n\r\nhello", b"hello", [(b"x", b"y")], kept=False),
    "until closed, empty": Good(OK + b"X: y\r\n\r\n", b"", [(b"x", b"y")], kept=False),
    "told to close": Good(
        OK + b"connection: close\r\ncontent-length: 2\r\n\r\nok",
        b"ok",
        [(b"connection", b"close"), (b"content-length", b"2")],
        kept=False,
    ),
    "HTTP/1.0": Good(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok", [(b"content-length", b"2")], kept=False),
    "HTTP/1.0, kept": Good(
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
        b"ok",
        [(b"connection", b"keep-alive"), (b"content-length", b"2")],
    ),
    "100 first": Good(
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 2\r\n\r\nok", b"ok", [(b"content-length", b"2")]
    ),
    "hints first": Good(
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 2 + OK + b"content-length: 2\r\n\r\nok",
        b"ok",
        [(b"content-length", b"2")],
    ),
    "HEAD": Good(OK + b"content-length: 500\r\n\r\n", b"", [(b"content-length", b"500")], method=b"HEAD"),
    "HEAD, chunked": Good(CHUNKED, b"", [(b"transfer-encoding", b"chunked")], method=b"HEAD"),
    "204": Good(b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n", b"", [(b"x", b"y")], status=204),
    "304": Good(b"HTTP/1.1 304 N\r\ncontent-length: 7\r\n\r\n", b"", [(b"content-length", b"7")], status=304),
    "HTTP inside": Good(
        OK + b"content-length: 38\r\n\r\n" + OK + b"content-length: 0\r\n\r\n", (OK + b"content-length: 0\r\n\r\n")
    ),
}

BAD = {
    "binary": b"\x00\x01\x02\xff\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "short status": b"HTTP/1.1 20 OK\r\n\r\n",
    "long status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n",
    "unasked upgrade": b"HTTP/1.1 101 S\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "lengths that differ": OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "lengths that agree": OK + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "list of lengths": OK + b"content-length: 5, 5\r\n\r\nhello",
    "signed length": OK + b"content-length: +5\r\n\r\nhello",
    "negative length": OK + b"content-length: -5\r\n\r\nhello",
    "length in hex": OK + b"content-length: 0x5\r\n\r\nhello",
    "empty length": OK + b"content-length:\r\n\r\nhello",
    "length beyond 64 bits": OK + b"content-length: 99999999999999999999\r\n\r\nhello",
    "length, then chunked": OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then length": OK + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in a list": OK + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "another coding": OK + b"transfer-encoding: gzip\r\n\r\nx",
    "another coding below": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": OK + b"transfer-encoding: identity\r\n\r\nx",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "NUL in a header": OK + b"a: b\0c\r\ncontent-length: 0\r\n\r\n",
    "CR in a header": OK + b"a: b\rc\r\ncontent-length: 0\r\n\r\n",
    "space before the colon": OK + b"a : b\r\ncontent-length: 0\r\n\r\n",
    "no colon": OK + b"ab\r\ncontent-length: 0\r\n\r\n",
    "no name": OK + b": b\r\ncontent-length: 0\r\n\r\n",
    "a name that is none": OK + b"a(b: c\r\ncontent-length: 0\r\n\r\n",
    "chunk size that is none": CHUNKED + b"zz\r\n",
    "negative chunk": CHUNKED + b"-1\r\n",
    "chunk beyond 64 bits": CHUNKED + b"fffffffffffffffff\r\n",
    "chunk too long": CHUNKED + b"1\r\nxy\r\n0\r\n\r\n",
    "one large header": OK + b"a: " + b"x" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n",
    "headers too large": OK + b"".join(b"h%d: %s\r\n" % (i, b"x" * 1000) for i in range(70)) + b"\r\n",
    "too many headers": OK + b"a: b\r\n" * 300 + b"content-length: 0\r\n\r\n",
}

LENIENT = {
    "bare LF": b"HTTP/1.1 200 OK\nx: y\ncontent-length: 0\n\n",
    "a folded header": OK + b"a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "a control character in a header": OK + b"a: b\x01c\r\ncontent-length: 0\r\n\r\n",
    "a space behind a chunk's size": CHUNKED + b"1 \r\nx\r\n0\r\n\r\n",
    "more than 16 interim answers": b"HTTP/1.1 100 C\r\n\r\n" * 17 + OK + b"content-length: 0\r\n\r\n",
    "trailers beyond max_header_bytes": CHUNKED
    + b"0\r\n"
    + b"".join(b"h%d: %s\r\n" % (i, b"x" * 1000) for i in range(70))
    + b"\r\n",
}
"""What one client refuses and the other takes: ``DIFFERENCES`` says which."""

CUT = {
    "nothing": b"",
    "inside the status": b"HTTP/1.1 2",
    "inside a header": OK + b"content-le",
    "before the empty line": OK + b"content-length: 0\r\n",
    "behind an interim answer": b"HTTP/1.1 100 C\r\n\r\n",
    "inside the body": OK + b"content-length: 5\r\n\r\nhel",
    "before the body": OK + b"content-length: 5\r\n\r\n",
    "inside a chunk": CHUNKED + b"5\r\nhel",
    "between chunks": CHUNKED + b"5\r\nhello\r\n",
    "inside the last chunk": CHUNKED + b"5\r\nhello\r\n0\r\n",
    "inside the trailers": CHUNKED + b"5\r\nhello\r\n0\r\nx: y\r\n",
}


def once(*pieces: bytes) -> Script:
    """Read one request, send these pieces, close."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*pieces)

    return script


def splits(raw: bytes) -> Iterable[tuple[bytes, ...]]:
    """An answer whole, byte by byte, in pieces of three, and in two at every place."""
    yield (raw,)
    yield tuple(raw[i : i + 1] for i in range(len(raw)))
    yield tuple(raw[i : i + 3] for i in range(0, len(raw), 3))
    for place in range(1, len(raw)):
        yield raw[:place], raw[place:]


@pytest.mark.parametrize("name", GOOD)
@on_both_clients
async def test_every_split_of_every_answer_reads_the_same(bench: Bench, name: str) -> None:
    """However an answer's bytes arrive, status, headers and body are the same, and so is what becomes of the
    connection: used again where the answer allows it, closed where not."""
    good = GOOD[name]
    plan = list(splits(good.raw))
    rest = iter(plan)

    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            await peer.send(*next(rest))
            if not good.kept:
                return

    server, client = await bench.upstream(script), bench.client()
    expected = good.headers or ([(b"transfer-encoding", b"chunked")] if b"chunked" in good.raw else None)
    for _ in plan:
        status, headers, body = await fetch(client, ask(server.origin, method=good.method))
        assert (status, body) == (good.status, good.body)
        assert expected is None or headers == expected
    assert server.connections == (1 if good.kept else len(plan))


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize("name", BAD)
@on_both_clients
async def test_bad_answers_are_refused(bench: Bench, name: str, pieces: int) -> None:
    """What is not one well-formed answer, or not within the limits, is a protocol error, however it arrives; its
    connection is closed and the next exchange gets its own answer."""
    raw = BAD[name]
    step = max(1, -(-len(raw) // pieces))

    async def script(peer: Peer) -> None:
        while (asked := await peer.request()) is not None:
            if asked.target == b"/bad":
                await peer.send(*(raw[i : i + step] for i in range(0, len(raw), step)))
                await peer.until_closed()
                return
            await peer.send(OK + b"content-length: 2\r\n\r\nok")

    server, client = await bench.upstream(script), bench.client()
    fault = await fault_of(client, ask(server.origin, b"/bad"))
    assert type(fault) is UpstreamProtocolError
    assert fault.may_be_billed
    assert (await fetch(client, ask(server.origin)))[2] == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize("name", LENIENT)
@on_both_clients
async def test_where_one_client_is_stricter(bench: Bench, name: str) -> None:
    """Each of these is refused by one client and taken by the other, as the table of differences says."""
    server, client = await bench.upstream(once(LENIENT[name])), bench.client()
    if bench.differs(name) == "refused":
        assert type(await fault_of(client, ask(server.origin))) is UpstreamProtocolError
    else:
        assert (await fetch(client, ask(server.origin)))[0] == 200


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("name", CUT)
@on_both_clients
async def test_an_answer_that_is_cut_is_a_protocol_error(bench: Bench, name: str, how: str) -> None:
    """An answer that ends before its end, by a close or by a reset, never looks complete and is not asked for again."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CUT[name])
        if how == "reset":
            peer.reset()

    server, client = await bench.upstream(script), bench.client()
    fault = await fault_of(client, ask(server.origin))
    assert type(fault) is UpstreamProtocolError
    assert server.connections == 1


@on_both_clients
async def test_what_came_before_a_cut_can_be_read(bench: Bench) -> None:
    """The bytes before a cut reach a reader that takes them as they come; only then does it learn of the cut."""
    read = bench.event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"content-length: 10\r\n\r\nhello")
        await read.wait()

    server, client = await bench.upstream(script), bench.client()
    response = await client.send(ask(server.origin))
    assert await response.read() == b"hello"
    read.set()
    with pytest.raises(UpstreamProtocolError):
        await response.read()
    with pytest.raises(UpstreamProtocolError):
        await response.read()


@on_both_clients
async def test_what_waits_when_a_vendor_cuts(bench: Bench) -> None:
    """A reader that was away when the cut came finds what had come before it, or only the fault; never an end."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"content-length: 10\r\n\r\nhello")

    server, client = await bench.upstream(script), bench.client()
    response = await client.send(ask(server.origin))
    await until(lambda: server.open == 0)
    await turns(10)
    if bench.differs("bytes that wait for their reader when a vendor cuts") == "are read":
        assert await response.read() == b"hello"
    with pytest.raises(UpstreamProtocolError):
        await response.read()


@on_both_clients
async def test_a_reset_does_not_end_a_body_that_has_no_length(bench: Bench) -> None:
    """A body that lasts until the connection closes is complete only where it was closed properly."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"\r\nhello")
        peer.reset()

    server, client = await bench.upstream(script), bench.client()
    assert type(await fault_of(client, ask(server.origin))) is UpstreamProtocolError


@pytest.mark.parametrize("behind", [b"junk", OK + b"content-length: 4\r\n\r\nevil", b"\r\n\r\nx"])
@on_both_clients
async def test_bytes_behind_an_answer_spoil_the_connection(bench: Bench, behind: bytes) -> None:
    """What a vendor sends behind the end of its answer is nobody's answer, least of all the next request's."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"content-length: 2\r\n\r\nok" + behind)
        await peer.until_closed()

    server, client = await bench.upstream(script), bench.client()
    for number in (1, 2):
        try:
            assert (await fetch(client, ask(server.origin)))[2] == b"ok"
        except UpstreamProtocolError:
            assert bench.differs("bytes behind an answer, in the same packet") == "may fail the answer"
        assert server.connections == number


@on_both_clients
async def test_bytes_out_of_turn_spoil_the_connection(bench: Bench) -> None:
    """An answer that comes when nothing was asked is not given to who asks next."""
    sent = bench.event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK + b"content-length: 2\r\n\r\nok")
        if peer.number == 1:
            await read.wait()
            await peer.send(OK + b"content-length: 4\r\n\r\nevil")
            sent.set()
        await peer.until_closed()

    read = bench.event()
    server, client = await bench.upstream(script), bench.client()
    assert (await fetch(client, ask(server.origin)))[2] == b"ok"
    read.set()
    await sent.wait()
    await turns(10)  # the bytes are in our socket: now they are read
    assert (await fetch(client, ask(server.origin)))[2] == b"ok"
    assert server.connections == 2


@pytest.mark.parametrize("seed", range(3))
@on_both_clients
async def test_random_chunkings_of_a_long_answer(bench: Bench, seed: int) -> None:
    """A long chunked body, its chunks and its packets cut anywhere, arrives byte for byte."""
    dice = random.Random(seed)
    body = dice.randbytes(dice.randrange(200_000))
    raw, start = bytearray(CHUNKED), 0
    while start < len(body):
        size = dice.choice((1, 2, 15, 300, 9_000, 70_000))
        piece = body[start : start + size]
        raw += b"%x\r\n%s\r\n" % (len(piece), piece)
        start += size
    raw += b"0\r\n\r\n"
    cuts = sorted(dice.sample(range(len(raw)), 40))
    pieces = [bytes(raw[a:b]) for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    server, client = await bench.upstream(once(*pieces)), bench.client()
    assert (await fetch(client, ask(server.origin)))[2] == body
