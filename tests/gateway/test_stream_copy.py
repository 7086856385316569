"""A stream's copy: what went out, up to a bound, and whether that is all of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stream_copy import StreamCopy


@given(st.lists(st.binary(max_size=9)), st.integers(0, 40))
def test_a_copy_is_the_beginning_of_what_went_out(pieces: list[bytes], bound: int) -> None:
    """To the byte; cut where there was more than its bound, and only then."""
    copy, whole = StreamCopy(bound), b"".join(pieces)
    for piece in pieces:
        copy.keep(piece)
    copy.end([])
    assert copy.size <= bound
    assert copy.is_cut == (len(whole) > bound)
    kept = copy.take()
    assert kept == whole[:bound]
    assert copy.take() == b""


def test_without_an_end_it_is_cut() -> None:
    """Whoever did not get the last byte has not got all."""
    copy = StreamCopy(9)
    copy.keep(b"abc")
    assert copy.is_cut
    copy.end([{"type": "http.response.start", "status": 200}, {"type": "http.response.body", "body": b"d"}])
    assert (copy.is_cut, copy.take()) == (False, b"abcd")


def test_nothing_fits_behind_what_did_not() -> None:
    """A hole would look like an answer."""
    copy = StreamCopy(4)
    for piece in (b"abc", b"defg", b"h", b""):
        copy.keep(piece)
    copy.end([])
    assert (copy.is_cut, copy.take()) == (True, b"abcd")


def test_what_broke_off_is_cut_however_it_ends() -> None:
    """An error in the place of the end is kept, and is no end."""
    copy = StreamCopy(9)
    copy.keep(b"abc")
    copy.break_off()
    copy.end([{"type": "http.response.body", "body": b"error"}])
    assert (copy.is_cut, copy.take()) == (True, b"abcerror")


@pytest.mark.parametrize("takes_more", [True, False])
def test_a_writer_beside_it_says_what_the_writer_says(*, takes_more: bool) -> None:
    """Every piece is written, as the chunk as which it came, and kept."""
    written: list[tuple[bytes, bytes]] = []

    def write(piece: bytes, chunk: bytes = b"") -> bool:
        written.append((piece, chunk))
        return takes_more

    copy = StreamCopy(9)
    assert copy.beside(write)(b"piece", b"5\r\npiece\r\n") is takes_more
    assert (written, copy.take()) == ([(b"piece", b"5\r\npiece\r\n")], b"piece")
