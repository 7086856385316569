"""Tests of ``gateway.upstreams.vendors.scanning.ndjson``: lines cut anywhere."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstreams.vendors.scanning import NdjsonScanner, Verdict
from sluice.money.usage import Usage
from tests.gateway.upstreams.vendors.scanning_laws import (
    a_frame_beyond_the_bound_passes,
    every_cut_is_the_same,
    memory_is_flat,
    nothing_is_lost,
    scan,
)


class Line(msgspec.Struct):
    """One line."""

    done: bool = False
    count: int | None = None


class Lines(NdjsonScanner):
    """Lines that end with ``"done":true``."""

    def may_matter(self, chunk: bytes) -> bool:
        """Ends."""
        return b'"done":true' in chunk

    def inspect(self, line: bytes) -> Verdict:
        """Its count."""
        try:
            read = msgspec.json.decode(line, type=Line)
        except msgspec.DecodeError:
            return "pass"
        if read.count is not None:
            self.answer.usage = Usage(read.count, 0)
        return "hold" if read.done else "pass"


STREAM = '{"text":"é漢😀"}\n\n{"text":"\\n"}\r\n not json\n{"done":true,"count":7}\n'.encode()


def test_a_stream_cut_anywhere_is_the_same() -> None:
    """Inside characters too; lines may end with CR LF, and empty ones are nothing."""
    found = every_cut_is_the_same(Lines, STREAM)
    assert found.held == b'{"done":true,"count":7}\n'
    assert found.out + found.held == STREAM
    assert (found.answer.usage, found.ended) == (Usage(7, 0), True)


def test_a_stream_that_breaks_off_anywhere_loses_nothing() -> None:
    """Not a byte."""
    nothing_is_lost(Lines, STREAM)


def test_a_last_line_without_an_end_is_read() -> None:
    """Some servers leave it away."""
    found = scan(Lines, [STREAM.rstrip()])
    assert (found.answer.usage, found.answer.problem) == (Usage(7, 0), "")


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=8))
def test_garbage_passes(chunks: list[bytes]) -> None:
    """Whatever comes."""
    found = scan(Lines, chunks)
    assert found.out + found.held == b"".join(chunks)


def test_nothing_grows() -> None:
    """Neither with the stream nor with a line."""
    memory_is_flat(Lines, [b'{"text":"x"}\n', b'{"te', b'xt":"y"}\n'])
    found = a_frame_beyond_the_bound_passes(Lines, b'{"text":"', b"x" * 100_000, b'"}\n', STREAM)
    assert found.answer.usage == Usage(7, 0)


def test_lines_are_counted() -> None:
    """Each that says something, however they come."""
    for chunks in ([STREAM], [STREAM[:30], STREAM[30:]], [b'{"a":1}\n'] * 4):
        scanner = Lines()
        for chunk in chunks:
            scanner.feed(chunk)
        assert scanner.sse_frames == 4
