"""Tests of ``gateway.upstreams.parser`` alone; answers at every split are in the contract suite."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamProtocolError
from gateway.upstreams.limits import DEFAULT_LIMITS
from gateway.upstreams.parser import AnswerParser

OK = b"HTTP/1.1 200 OK\r\n"


class Answer:
    """What the parser fills."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: list[bytes] = []
        self.buffered_bytes = 0
        self.complete = False


def begin(parser: AnswerParser, *, is_head: bool = False) -> Answer:
    """Expect an answer."""
    answer: Any = Answer()
    parser.begin(answer, is_head=is_head)
    assert isinstance(answer, Answer)
    return answer


def feed_often(parser: AnswerParser, piece: bytes, size: int) -> None:
    """Feed a piece again and again, until so many bytes were fed."""
    for _ in range(0, size, len(piece)):
        parser.feed(piece)


def feed_cut(parser: AnswerParser, raw: bytes, starts: list[int]) -> None:
    """Feed pieces that start there."""
    for start, end in zip(starts, [*starts[1:], len(raw)], strict=True):
        parser.feed(raw[start:end])


def test_a_parser_is_used_again() -> None:
    """One connection's answers come one after the other, also behind one to HEAD whose announced body never comes."""
    parser = AnswerParser(DEFAULT_LIMITS)
    for method_is_head, raw, body in (
        (False, OK + b"content-length: 2\r\n\r\nab", b"ab"),
        (True, OK + b"content-length: 500\r\n\r\n", b""),
        (False, OK + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", b"x"),
        (True, OK + b"transfer-encoding: chunked\r\n\r\n", b""),
        (False, b"HTTP/1.1 204 N\r\n\r\n", b""),
    ):
        answer = begin(parser, is_head=method_is_head)
        assert not parser.heard
        parser.feed(raw)
        assert (answer.status > 0, b"".join(answer.chunks), answer.complete) == (True, body, True)
        assert (parser.heard, parser.keep_alive, parser.clean) == (True, True, True)


@pytest.mark.parametrize("behind", [b"x", OK, b"\0", OK + b"content-length: 1\r\n\r\nx"])
def test_bytes_behind_the_end_are_seen(behind: bytes) -> None:
    """The answer stands; that the connection is spoilt is told; and what came is in no answer."""
    for pieces in ([OK + b"content-length: 2\r\n\r\nok" + behind], [OK + b"content-length: 2\r\n\r\nok", behind]):
        parser = AnswerParser(DEFAULT_LIMITS)
        answer = begin(parser)
        for piece in pieces:
            parser.feed(piece)
        assert (answer.complete, b"".join(answer.chunks), parser.clean) == (True, b"ok", False)


def test_a_close_ends_only_what_has_no_other_end() -> None:
    """Neither an announced length nor chunks end with their connection."""
    for headers, is_whole in (
        (b"", True),
        (b"content-length: 5\r\n", False),
        (b"transfer-encoding: chunked\r\n", False),
    ):
        parser = AnswerParser(DEFAULT_LIMITS)
        begin(parser)
        parser.feed(OK + headers + b"\r\n")
        assert parser.end() is is_whole
    parser = AnswerParser(DEFAULT_LIMITS)
    begin(parser)
    parser.feed(OK + b"x: y")
    assert parser.end() is False


@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (b"HTTP/1.1 200 ", b"x" * 100),
        (OK + b"x: ", b"y" * 100),
        (OK, b"x: yyyyyyyyyyyy\r\n"),
        (OK + b"transfer-encoding: chunked\r\n\r\n1;", b"e" * 100),
        (OK + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x: yyyyyyyyyyyy\r\n"),
        (b"", b"HTTP/1.1 100 C\r\n\r\n"),
        (b"", b"\r\n" * 50),
    ],
)
def test_nothing_endless_is_taken(head: bytes, endless: bytes) -> None:
    """A vendor that sends for ever what is neither head nor body is refused within the limit."""
    limits = replace(DEFAULT_LIMITS, max_header_bytes=2000, max_headers=10_000)
    parser = AnswerParser(limits)
    begin(parser)
    parser.feed(head)
    with pytest.raises(UpstreamProtocolError):
        feed_often(parser, endless, 2100)


LARGE = b"x: " + b"y" * 1500 + b"\r\n"


@pytest.mark.parametrize(
    ("head", "is_taken"),
    [
        (OK + LARGE + b"\r\n", True),
        (OK + LARGE * 2 + b"\r\n", False),
        (b"HTTP/1.1 103 E\r\n\r\n" + OK + LARGE + b"\r\n", True),
        (b"HTTP/1.1 103 E\r\n\r\n" + OK + LARGE * 2 + b"\r\n", False),
        (b"HTTP/1.1 103 E\r\n" + LARGE + b"\r\n" + OK + LARGE + b"\r\n", False),
        (OK + b"x:y\r\n" * 20 + b"\r\n", True),
        (OK + b"x:y\r\n" * 21 + b"\r\n", False),
        (OK + b"transfer-encoding: chunked\r\n\r\n0\r\n" + LARGE + b"\r\n", True),
        (OK + b"transfer-encoding: chunked\r\n\r\n0\r\n" + LARGE * 2 + b"\r\n", False),
    ],
)
@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_heads_and_trailers_are_measured(head: bytes, is_taken: bool, size: int) -> None:
    """In however many pieces they come, with the 1xx before them, and without what stands behind them."""
    parser = AnswerParser(replace(DEFAULT_LIMITS, max_header_bytes=2000, max_headers=20))
    answer = begin(parser)
    try:
        for start in range(0, len(head), size):
            parser.feed(head[start : start + size])
    except UpstreamProtocolError:
        assert not is_taken
    else:
        assert is_taken
        assert answer.status == 200


@given(
    st.lists(
        st.binary(max_size=50) | st.sampled_from([OK, b"content-length: 3\r\n", b"\r\n", b"0\r\n\r\n"]), max_size=8
    )
)
def test_no_bytes_break_the_parser(pieces: list[bytes]) -> None:
    """Whatever a vendor sends is parsed or refused; no other error leaves the parser, which holds no more than came."""
    parser = AnswerParser(DEFAULT_LIMITS)
    answer = begin(parser)
    try:
        for piece in pieces:
            parser.feed(piece)
    except UpstreamProtocolError:
        assert not answer.complete
    assert sum(map(len, answer.chunks)) == answer.buffered_bytes <= sum(map(len, pieces))


@pytest.mark.parametrize("starts", [[0], [0, 5], [0, 9], [0, 28]], ids=["whole", "in the name", "one", "the second"])
@pytest.mark.parametrize("version", [b"1.0", b"2.0"])
def test_an_answer_s_version_is_its_own(version: bytes, starts: list[int]) -> None:
    """However it is cut, and whatever version the 1xx before it had: a coding in HTTP/1.0 cannot be trusted."""
    coded = b" 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    for raw in (
        b"HTTP/%b%b" % (version, coded),
        b"HTTP/1.1 103 Early\r\n\r\nHTTP/%b%b" % (version, coded),
        b"HTTP/1.1 103 Early\r\nx: yyy\r\n\r\nHTTP/%b%b" % (version, coded),
    ):
        parser = AnswerParser(DEFAULT_LIMITS)
        answer = begin(parser)
        with pytest.raises(UpstreamProtocolError):
            feed_cut(parser, raw, starts)
        assert answer.status == 0
