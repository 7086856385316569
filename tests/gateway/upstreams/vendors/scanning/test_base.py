"""Tests of ``gateway.upstreams.vendors.scanning.base``: what scanners of all formats share."""

from __future__ import annotations

import pytest

from gateway.upstreams.sse_frames import MAX_FRAME_BYTES
from gateway.upstreams.vendors.scanning import NdjsonScanner, Verdict, media_type
from sluice.money.usage import Usage


class Words(NdjsonScanner):
    """Lines that are verdicts."""

    def may_matter(self, chunk: bytes) -> bool:
        """Any but ``pass``."""
        return b"hold" in chunk or b"hide" in chunk or b"usage" in chunk

    def inspect(self, line: bytes) -> Verdict:
        """The line itself; ``usage`` counts."""
        self.looks_left = 0
        if line == b"usage":
            self.answer.usage = Usage(1, 1)
        return "hold" if line == b"hold" else "hide" if line == b"hide" else "pass"


class Endless(Words):
    """Of a dialect without a terminal event."""

    has_end = False


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        (b"text/event-stream", b"text/event-stream"),
        (b"Text/Event-Stream; charset=utf-8", b"text/event-stream"),
        (b" application/json ;x", b"application/json"),
        (b"", b""),
    ],
)
def test_media_types_have_no_parameters_and_no_case(content_type: bytes, kind: bytes) -> None:
    """As they are compared."""
    assert media_type(content_type) == kind


@pytest.mark.parametrize(
    ("kind", "stream", "problem"),
    [
        (Words, b"pass\nhold\n", ""),
        (Words, b"pass\nhold", ""),
        (Words, b"pass\n", "truncated"),
        (Words, b"", "truncated"),
        (Words, b"usage\n", ""),
        (Endless, b"pass\n", ""),
        (Endless, b"", ""),
    ],
)
def test_a_stream_that_breaks_off_says_so(kind: type[Words], stream: bytes, problem: str) -> None:
    """Where its dialect has an end and nothing was counted before; what was counted is believed."""
    scanner = kind()
    scanner.feed(stream)
    scanner.finish()
    assert scanner.answer.problem == problem


def test_what_comes_behind_the_end_is_held_within_a_bound() -> None:
    """A vendor that does not stop fills nobody's memory."""
    scanner = Words()
    assert scanner.feed(b"pass\nhold\nmore") == b"pass\n"
    assert scanner.ended
    for _ in range(20):
        assert scanner.feed(b"x" * (1 << 20)) == b""
    assert len(scanner.finish()) <= MAX_FRAME_BYTES + (1 << 20)


def test_what_is_hidden_is_gone_and_nothing_else() -> None:
    """In one chunk or several, also as the last without an end."""
    for chunks in ([b"pass\nhide\npass\n"], [b"pass\nhi", b"de\npa", b"ss\n"], [b"pass\n", b"pass\n", b"hide"]):
        scanner = Words()
        assert b"".join(map(scanner.feed, chunks)) + scanner.finish() == b"pass\npass\n"


def test_a_large_frame_that_passed_unread_is_a_problem_where_nothing_is_counted() -> None:
    """It may have been the one that counts."""
    scanner = Endless()
    for _ in range(9):
        scanner.feed(b"x" * (1 << 19))
    scanner.feed(b"\npass\n")
    scanner.finish()
    assert scanner.answer.problem == "frame_too_large"
