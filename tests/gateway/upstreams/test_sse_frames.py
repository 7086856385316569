"""Whole SSE frames: never cut, never reordered, never lost, and never more of one waiting than a bound allows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.sse_frames import FRAME_END, FrameTooLargeError, WholeFrames

_LINES = st.sampled_from([b"data: x", b"event: y", b":", b": ping", b"", b"id: 1", b"data: \xff\x00"])
_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(_LINES, _ENDS), max_size=30), st.lists(st.integers(0, 300), max_size=12))
def test_what_comes_out_is_what_went_in(lines: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    """Pieces end where frames end, in whatever pieces the bytes come; what is left is less than a frame."""
    data = b"".join(line + end for line, end in lines)
    places = sorted({0, len(data), *(place for place in cuts if place < len(data))})
    frames, out = WholeFrames(), []
    for start, end in pairwise(places):
        out.append(frames.take(data[start:end]))
    rest = frames.finish()
    assert b"".join(out) + rest == data
    for piece in out:
        assert not piece or piece.endswith((b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r", b"\r\n\n", b"\n\r\n", b"\r\r\n"))
    assert FRAME_END.search(rest) is None


def test_a_carriage_return_waits_for_what_follows() -> None:
    """It may be half of a line's end; the frame is not whole before that is known."""
    frames = WholeFrames()
    assert frames.take(b"data: a\r\n\r") == b""
    assert frames.take(b"\ndata: b") == b"data: a\r\n\r\n"
    assert frames.take(b"\r\r") == b""
    assert frames.take(b"d") == b"data: b\r\r"
    assert frames.finish() == b"d"
    assert frames.finish() == b""


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: " + b"x" * 30], [b"data: " + b"x" * 30 + b"\n\n"], [b"data: 1\n\ndata: " + b"x" * 30 + b"\n\n"],
        [b"d" * 10, b"d" * 10, b"d"], [b"data: 1\n\n" + b"x" * 21], [b"x" * 19 + b"\n", b"\n"],
    ],
)  # fmt: skip
def test_a_frame_beyond_the_bound_is_refused(pieces: list[bytes]) -> None:
    """Also one that comes whole, or behind others."""
    *others, last = pieces
    frames = WholeFrames(20)
    for piece in others:
        frames.take(piece)
    with pytest.raises(FrameTooLargeError, match="larger than 20 bytes"):
        frames.take(last)


def test_the_bound_is_of_one_frame() -> None:
    """Many of them at once are as good as one after the other."""
    frames = WholeFrames(20)
    data = b"data: 0123456789ab\n\n" * 50
    assert len(b"data: 0123456789ab\n\n") == 20
    assert frames.take(data) == data
    assert frames.take(data[:-1]) + frames.take(data[-1:]) == data
