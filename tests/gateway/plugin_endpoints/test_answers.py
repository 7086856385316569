"""What endpoints answer: checked before any of it goes out."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.plugin_endpoints.answers import (
    MAX_HEADER_BYTES,
    MAX_MESSAGE_CHARACTERS,
    Head,
    check_body,
    check_head,
    check_response,
    check_text,
    error_answer,
)
from sluice.plugin_host.answers import AnswerError
from sluice.sdk import EndpointResponse


def test_an_answer_keeps_what_it_is() -> None:
    """Status, headers with several values, body; any bytes-like body is bytes."""
    response = EndpointResponse(status_code=201, headers={"X-Many": ["1", "2"]}, body=bytearray(b"ok"))  # type: ignore[arg-type]
    answer = check_response(response, 10)
    assert answer == (Head(201, [(b"x-many", b"1"), (b"x-many", b"2")]), b"ok", "")


def test_headers_that_are_the_host_s_are_dropped() -> None:
    """How bytes travel, and which exchange this is, is not a plugin's to say; cookies and the rest are."""
    ours = ("Connection", "Content-Length", "Transfer-Encoding", "Keep-Alive", "Upgrade", "TE", "Trailer",
            "X-Sluice-Exchange-Id", "X-Request-Id")  # fmt: skip
    head = check_head(200, {**dict.fromkeys(ours, "1"), "set-cookie": "a=1", "date": "today"})
    assert head.headers == [(b"set-cookie", b"a=1"), (b"date", b"today")]


@pytest.mark.parametrize("status", [99, 100, 101, 199, 600, -1, 10**9, True, False, None, "200", 200.0, b"200"])
def test_a_status_that_is_none_is_an_error(status: Any) -> None:
    """200 to 599, as a number; an interim answer is none."""
    with pytest.raises(AnswerError, match="status"):
        check_head(status, {})


def test_a_status_of_0_is_200() -> None:
    """What a plugin in another language leaves unset is 0 on the wire."""
    assert check_head(0, {}).status == 200


@pytest.mark.parametrize(
    "headers",
    [None, [], "a: b", {"x-a": "1\r\nx-b: 2"}, {"x-a": "1\nx-b: 2"}, {"x-a": "\x00"}, {"x a": "1"}, {"": "1"},
     {"x\r\n": "1"}, {1: "1"}, {"x-a": 1}, {"x-a": None}, {"x-a": [1]}, {"x-é": "1"}, {"x-a": "\u20ac"},
     {"x-a": "a" * MAX_HEADER_BYTES}],
)  # fmt: skip
def test_headers_that_cannot_be_sent_are_an_error(headers: Any) -> None:
    """Line ends, wrong types, too much: nothing of it reaches the wire."""
    with pytest.raises(AnswerError, match="headers"):
        check_head(200, headers)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4))
def test_no_header_splits_an_answer(headers: dict[str, str]) -> None:
    """Whatever text is given: sent without line ends, or refused."""
    try:
        head = check_head(200, headers)
    except AnswerError:
        return
    assert not any(sign in name + value for name, value in head.headers for sign in (b"\r", b"\n"))


@pytest.mark.parametrize("body", ["text", None, 3, ["a"], {"a": 1}])
def test_a_body_is_bytes(body: Any) -> None:
    """Everything else is an error that says what it was."""
    with pytest.raises(AnswerError, match="not bytes"):
        check_body(body, 10)


def test_a_body_has_a_bound_that_the_error_names() -> None:
    """Also of a memoryview, whose length is not its size."""
    assert check_body(bytes(10), 10) == bytes(10)
    for body in (bytes(11), bytearray(11), memoryview(bytes(16)).cast("I")):
        with pytest.raises(AnswerError, match=r"more than 10 \(plugin_host.endpoints.max_response_bytes\)"):
            check_body(body, 10)


@pytest.mark.parametrize("response", [None, {}, "ok", b"ok", 200, EndpointResponse])
def test_what_is_no_answer_is_an_error(response: Any) -> None:
    """Of whatever type it is."""
    with pytest.raises(AnswerError, match="not EndpointResponse"):
        check_response(response, 10)


def test_a_message_without_a_body_is_said_as_an_error() -> None:
    """As JSON, with the plugin's status and headers; a status below 400 is 500. A body goes before a message."""
    said = check_response(
        EndpointResponse(status_code=409, headers={"x-a": "1", "content-type": "text/html"}, message="no"), 9
    )
    assert said == (Head(409, [(b"x-a", b"1"), (b"content-type", b"application/json")]), b'{"error":"no"}', "no")
    assert check_response(EndpointResponse(message="no"), 10).head.status == 500
    assert check_response(EndpointResponse(message="no", body=b"yes"), 10) == (Head(200, []), b"yes", "")
    assert error_answer("no", Head(204, [])).head.status == 500


def test_a_message_is_text_and_no_longer_than_a_client_reads() -> None:
    """Surrogates, which no JSON can carry, are replaced."""
    assert check_text("a" * 10_000) == "a" * MAX_MESSAGE_CHARACTERS
    assert orjson.dumps(check_text("\ud800"))
    for text in (None, 3, b"text"):
        with pytest.raises(AnswerError, match="message"):
            check_text(text)


class _Liar(bytes):
    """Says that it is short."""

    def __len__(self) -> int:
        return 1


def test_a_body_that_lies_about_its_length_is_measured() -> None:
    """What goes out is plain bytes, as long as they say."""
    assert type(check_body(_Liar(b"abc"), 3)) is bytes
    assert len(check_body(_Liar(b"abc"), 3)) == 3
    with pytest.raises(AnswerError, match="3 bytes"):
        check_body(_Liar(b"abc"), 2)
