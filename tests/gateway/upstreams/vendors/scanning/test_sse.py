"""Tests of ``gateway.upstreams.vendors.scanning.sse``: frames cut anywhere, whatever ends their lines."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.upstreams.sse_frames import FRAME_END
from gateway.upstreams.vendors.scanning import SseFrame, SseScanner, Verdict
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.scanning_laws import (
    a_frame_beyond_the_bound_passes,
    every_cut_is_the_same,
    memory_is_flat,
    nothing_is_lost,
    scan,
)


class Frames(SseScanner):
    """Frames that end with an event ``stop``, and count in ``count:``."""

    terminal_head = re.compile(rb"event: ?stop")
    bare_end = re.compile(rb"event: ?stop\s*")

    def __init__(self) -> None:
        super().__init__()
        self.looks_left = 0
        self.seen: list[SseFrame] = []

    def may_matter(self, chunk: bytes) -> bool:
        """Ends and counts."""
        return b"stop" in chunk or b"count" in chunk

    def inspect(self, frame: SseFrame) -> Verdict:
        """Its count."""
        self.seen = [*self.seen[-8:], frame]
        if frame.data.startswith(b"count:") and frame.data[6:].isdigit():
            self.answer.usage = Usage(int(frame.data[6:]), 0)
        return "hold" if frame.name == b"stop" else "pass"


def test_a_frame_ends_where_the_pattern_says() -> None:
    """Whichever search finds it: for all short texts of CR, LF and another byte, from wherever the search begins."""
    scanner = Frames()
    for size in range(9):
        for text in itertools.product(b"\r\na", repeat=size):
            scanner._rest = bytearray(text)
            for searched in range(min(size, 2) + 1):
                boundary = FRAME_END.search(scanner._rest, searched)
                assert scanner._find_end(0, searched) == (boundary.span() if boundary else None), (text, searched)


STREAM = (
    "\ufeff: hello\n\ndata: é漢😀\n\n:\n\nid: 1\ndata: a\ndata: b\nretry: 5\n\ndata:count:7\n\nevent:stop\ndata: x\n\n"
).encode()
ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_stream_cut_anywhere_is_the_same(end: bytes) -> None:
    """Inside characters and line ends too; what is held is the terminal frame."""
    stream = STREAM.replace(b"\n", end)
    if end == b"\r":
        stream += b"\n"  # a last CR may be half of a CRLF
    found = every_cut_is_the_same(Frames, stream)
    assert found.out + found.held == stream
    assert found.held.startswith(b"event:stop")
    assert (found.answer.usage, found.ended, found.ended_bare) == (Usage(7, 0), True, False)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_stream_that_breaks_off_anywhere_loses_nothing(end: bytes) -> None:
    """Not a byte."""
    nothing_is_lost(Frames, STREAM.replace(b"\n", end))


def test_only_frames_that_may_matter_are_inspected() -> None:
    """In whole chunks, several of them, and pieces; data lines are joined."""
    chunks = [b"data: x\n\n", b"data: y\r\n\r\n", b"data: a\n\ndata: b\ndata: count\n\n", b"data: co", b"unt\n\n"]
    scanner = Frames()
    assert b"".join(map(scanner.feed, chunks)) == b"".join(chunks)
    assert scanner.seen == [SseFrame(b"", b"b\ncount"), SseFrame(b"", b"count")]
    assert scanner.sse_frames == 5


@pytest.mark.parametrize("chunk", [b"data: x\n\n", b"data: x\r\n\r\n", b"data: count:1\n\n", b"data: count:1\r\n\r\n"])
def test_a_whole_chunk_leaves_as_it_came(chunk: bytes) -> None:
    """The very same object: nothing is copied."""
    scanner = Frames()
    assert scanner.feed(chunk) is chunk


@pytest.mark.parametrize(
    "chunk", [b"data: a\r\n\r\nevent: stop\n\ndata: count:1\r\n\r\n", b"data: a\n\nevent: stop\r\n\r\ndata: x\n\n"]
)
def test_line_ends_that_are_mixed_hide_no_end(chunk: bytes) -> None:
    """Frames are cut at any of them, also where the chunk ends in another kind."""
    scanner = Frames()
    out = scanner.feed(chunk)
    assert scanner.ended
    assert out == chunk[: chunk.index(b"event: stop")]


PIECES = st.sampled_from([b"\r", b"\n", b"data: x", b"event: stop", b":", b"count:5", b"\r\n\r\n"])


@given(st.lists(PIECES, max_size=14))
def test_any_mixture_of_lines_is_the_same_in_pieces(pieces: list[bytes]) -> None:
    """What leaves and what is held do not depend on the cuts."""
    stream = b"".join(pieces)
    if stream:
        nothing_is_lost(Frames, stream)
        whole = scan(Frames, [stream])
        for place in range(1, len(stream)):
            found = scan(Frames, [stream[:place], stream[place:]])
            assert (found.answer, found.ended) == (whole.answer, whole.ended)
            # silent lines before the terminal event may wait with it, or not
            assert whole.held.endswith(found.held) or found.held.endswith(whole.held)


@settings(deadline=None, max_examples=60)
@given(st.lists(PIECES, max_size=14))
def test_frames_that_come_together_are_those_that_come_alone(pieces: list[bytes]) -> None:
    """As many are counted, and the same is left out, whatever lines they are made of; silent ones may wait or not."""
    one = b"".join(pieces)
    stream = b"data: x\n\n" + one * (1_500 // max(len(one), 1))
    together, alone = Frames(), Frames()
    out = together.feed(stream[:9]) + together.feed(stream[9:]) + together.finish()
    assert out == b"".join([alone.feed(stream[at : at + 7]) for at in range(0, len(stream), 7)]) + alone.finish()
    assert (together.sse_frames, together.ended) == (alone.sse_frames, alone.ended)
    assert together.answer == alone.answer


def test_nothing_grows() -> None:
    """Neither with the stream nor with a frame; of a terminal one that is too large the end is held."""
    memory_is_flat(Frames, [b"data: x\n\n", b"data: co", b"unt\n\n", b": ping\n\n"], rounds=5_000)
    found = a_frame_beyond_the_bound_passes(Frames, b"data: count", b"x" * 100_000, b"\n\n", STREAM)
    assert found.answer.usage == Usage(7, 0)
    found = a_frame_beyond_the_bound_passes(Frames, b"event: stop\ndata: ", b"x" * 100_000, b"\n\n", b"")
    assert (found.held, found.ended, found.answer.problem) == (b"\n\n", True, "frame_too_large")


def test_bytes_pass_in_the_moment_they_may() -> None:
    """Comments do not wait for their frame's end; data does."""
    scanner = Frames()
    assert scanner.feed(b": ping\n") == b": ping\n"
    assert scanner.feed(b"data: x\n") == b""
    assert scanner.feed(b"\n") == b"data: x\n\n"
    assert scan(Frames, [b"data: x"]).held == b"data: x"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("at", [0, 1, 500, 998, 999])
def test_a_stream_in_one_piece_is_looked_at_where_it_matters(end: bytes, at: int) -> None:
    """The frame that counts is found wherever it is, and few of the thousand before it are looked at alone."""
    frames = [b"data: some text" + 2 * end] * 1_000
    frames[at] = b"data: count:7" + 2 * end
    scanner = Frames()
    scanner.feed(b"data: x\n\n")
    asked: list[int] = []
    may_matter = scanner.may_matter

    def counted(chunk: bytes) -> bool:
        asked.append(len(chunk))
        return may_matter(chunk)

    scanner.may_matter = counted  # type: ignore[method-assign]
    assert scanner.feed(b"".join(frames)) == b"".join(frames)
    assert (scanner.answer.usage, scanner.sse_frames) == (Usage(7, 0), 1_001)
    assert len(asked) <= 1_000 - at + 80


@pytest.mark.parametrize(
    ("frame", "seen"),
    [
        (b"data: count:7\n\n", SseFrame(b"", b"count:7")),
        (b"data: count:7\nd", SseFrame(b"", b"count:7")),
        (b"data: count:7\n:", SseFrame(b"", b"count:7")),
        (b"data: count:7\r\n", SseFrame(b"", b"count:7")),
        (b"data: count:7", SseFrame(b"", b"count:7")),
        (b"data: a\ndata: count\n\n", SseFrame(b"", b"a\ncount")),
        (b"data: a\rdata: count\n\n", SseFrame(b"", b"a\ncount")),
    ],
)
def test_a_stream_that_breaks_off_behind_a_line_has_said_it(frame: bytes, seen: SseFrame) -> None:
    """What comes of the next line, be it a byte, is none of that line's data."""
    scanner = Frames()
    scanner.feed(frame)
    scanner.finish()
    assert scanner.seen == [seen]


@pytest.mark.parametrize(
    "first", [b"data: x\r\r", b"data: x\r\n\r\n", b"data: x\r\n\n", b"data: x\n\r\n", b"data: x\n\n"]
)
def test_frames_that_come_together_may_end_in_several_ways(first: bytes) -> None:
    """Each is looked at by itself."""
    scanner = Frames()
    stream = first + b"data: count:7\n\n"
    assert scanner.feed(stream) == stream
    assert (scanner.sse_frames, scanner.answer.usage) == (2, Usage(7, 0))
