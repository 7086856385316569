"""Tests of ``gateway.upstreams.connection`` that are its own: how much it holds, and chunks that go on as they came."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import UpstreamFault
from gateway.upstreams.client import Origin
from gateway.upstreams.connection import Connection
from gateway.upstreams.departures import Departures
from gateway.upstreams.http1 import LeanClient
from gateway.upstreams.limits import ClientLimits
from gateway.upstreams.pool import Pool
from tests.contracts.scripted_upstream import Peer, turns
from tests.contracts.upstream_bench import Bench, Variant, ask, read_all, system_trust

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
FAKE = b"10\r\n0123456789abcdef\r\n"
"""Inside a chunk this is content."""
SIZE_LINES = st.sampled_from([b"%x\r\n"] * 6 + [b"%X\r\n", b"0%x\r\n", b"%x;a=b\r\n", b"%x \r\n"])
CONTENTS = st.lists(
    st.sampled_from([FAKE, FAKE, b"a", b"\r\n", b"10\r\n", b"0\r\n\r\n", b"x" * 14, b"x" * 255, b"y" * 4_074]),
    min_size=1,
    max_size=3,
)
CUTS = st.lists(st.booleans(), min_size=24, max_size=24)
ENDINGS = st.sampled_from([b"0\r\n\r\n", b"0\r\n\r\n", b"-2\r\n", b"zz\r\n"])


async def test_unread_bytes_are_bounded() -> None:
    """A connection stops reading when ``max_buffered_bytes`` wait for the reader, at most one read too late; and
    reads on as soon as they are taken."""
    size = 8 << 20

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size, *[bytes(1 << 16)] * (size >> 16))

    async with Bench(Variant("lean", "asyncio")) as bench:
        limits = bench.limits(max_buffered_bytes=100_000)
        server, client = await bench.upstream(script), bench.client(limits)
        assert isinstance(client, LeanClient)
        response = await client.send(ask(server.origin))
        await turns(100)
        assert isinstance(response.connection, Connection)
        assert 100_000 <= response.buffered_bytes <= 100_000 + (256 << 10)
        assert len(await response.read()) <= 100_000 + (256 << 10)
        assert len(await read_all(response)) > size // 2


class Wire(asyncio.Transport):
    """A transport on which nothing happens."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """To nobody."""

    def is_closing(self) -> bool:
        """Never."""
        return False

    def abort(self) -> None:
        """It is gone already."""


class Answered:
    """One answer as it comes, pumped or not: what became of it."""

    def __init__(self, pieces: Sequence[bytes], *, is_pumped: bool) -> None:
        loop, limits = asyncio.get_running_loop(), ClientLimits()
        origin = Origin("http", "127.0.0.1", 80)
        connection = Connection(Pool(origin, limits, system_trust, set(), Departures()), limits, loop)
        connection.connection_made(Wire())
        response = connection.start(b"", ask(origin), loop.time() + 1)
        self.taken: list[bytes] = []
        self.chunks: list[bytes] = []
        for piece in pieces:
            if is_pumped and response.status and not response.complete:
                response.take = self.take
            connection.data_received(piece)
        self.body = b"".join([*self.taken, *response.chunks])
        self.is_complete = response.complete
        self.fault: UpstreamFault | None = response.fault

    def take(self, piece: bytes, chunk: bytes) -> bool:
        """Keep it; a chunk is the piece around which it came."""
        self.taken.append(piece)
        if chunk:
            assert chunk == b"%x\r\n%b\r\n" % (len(piece), piece)
            self.chunks.append(chunk)
        return False


def joined(tokens: Sequence[bytes], cuts: Sequence[bool]) -> list[bytes]:
    """A stream in pieces: cut behind the tokens that say so."""
    pieces = [b""]
    for token, is_cut in zip(tokens, cuts, strict=False):
        pieces[-1] += token
        if is_cut:
            pieces.append(b"")
    return [piece for piece in pieces if piece]


async def _is_the_same(pieces: Sequence[bytes]) -> Answered:
    pumped, parsed = Answered(pieces, is_pumped=True), Answered(pieces, is_pumped=False)
    assert (pumped.body, pumped.is_complete, str(pumped.fault)) == (parsed.body, parsed.is_complete, str(parsed.fault))
    return pumped


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(SIZE_LINES, CONTENTS), max_size=4), ENDINGS, CUTS)
def test_a_chunk_that_goes_on_as_it_came_is_one(
    chunks: list[tuple[bytes, list[bytes]]], ending: bytes, cuts: list[bool]
) -> None:
    """However chunks are written and cut, and whatever in them looks like one: what is taken is what the parser finds,
    it ends where it ends there, and a fault is the same."""
    tokens = []
    for line, contents in chunks:
        size_line = line % sum(map(len, contents))
        tokens += [size_line[:1], size_line[1:], *contents, b"\r\n"]
    found = asyncio.run(_is_the_same([HEAD, *joined(tokens, cuts), ending]))
    assert found.fault is not None or found.body == b"".join([b"".join(contents) for _, contents in chunks])


async def test_nearly_all_chunks_of_a_stream_go_on_as_they_came() -> None:
    """All but the first, before which nobody knows where the parser stands, large ones, and what is written in other
    ways."""
    sizes = (1, 15, 16, 255, 256, 2_040)
    chunks = [b"%x\r\n%b\r\n" % (size, bytes(size)) for size in sizes]
    found = Answered(
        [
            HEAD,
            b"1\r\na\r\n",
            *chunks,
            b"7f9\r\n" + bytes(2_041) + b"\r\n",
            b"10000\r\n" + bytes(65_536) + b"\r\n",
            b"1A\r\n" + bytes(26) + b"\r\n",
            chunks[0],
            b"0\r\n\r\n",
        ],
        is_pumped=True,
    )
    assert found.chunks == [*chunks, chunks[0]]
    assert found.is_complete


async def test_a_size_line_in_two_pieces_is_not_taken_for_content() -> None:
    """Behind its first half what comes next is no chunk, though it looks like one."""
    whole = FAKE + b"\r\n"
    for pieces in (
        [b"1\r\na\r\n1", b"6\r\n", whole],
        [b"1\r\na\r\n16\r\n", whole],
        [b"1\r\na\r\n", b"16\r", b"\n", whole],
    ):
        found = await _is_the_same([HEAD, *pieces, b"0\r\n\r\n"])
        assert found.body == b"a" + FAKE
        assert found.is_complete
    rest = bytes(0x110 - 18)
    found = await _is_the_same([HEAD, b"1\r\na\r\n", b"1", FAKE, rest + b"\r\n0\r\n\r\n"])  # its size line is 110
    assert found.body == b"a" + FAKE[4:] + rest


async def test_behind_the_last_chunk_nothing_is_content() -> None:
    """A vendor that goes on as if it had not ended spoils its connection, not the answer."""
    found = await _is_the_same([HEAD, FAKE, b"0\r\n\r\n", FAKE])
    assert found.body == FAKE[4:-2]
    assert found.is_complete
