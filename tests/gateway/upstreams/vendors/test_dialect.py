"""Tests of ``gateway.upstreams.vendors.dialect``: laws that hold for every vendor's dialect."""

from __future__ import annotations

import json

import pytest

from gateway.upstreams.sse_frames import WholeFrames
from gateway.upstreams.vendors.dialect import Answer, Dialect
from gateway.upstreams.vendors.registry import VENDORS, dialect_of


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_dialect_is_found_by_its_name(vendor: str) -> None:
    """The name in the settings is the dialect's own."""
    dialect: Dialect = dialect_of(vendor)
    assert dialect.name == vendor


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_empty_body_asks_nothing(vendor: str) -> None:
    """A ``GET`` has no body, whatever its path."""
    asked = dialect_of(vendor).ask(b"", "/v1/models")
    assert (asked.model, asked.is_stream, asked.max_response_tokens) == (None, False, None)
    assert dialect_of(vendor).answer(b"") == Answer()


@pytest.mark.parametrize("vendor", VENDORS)
def test_errors_have_message_and_code(vendor: str) -> None:
    """In whatever shape the vendor's own have; a message is no way out of it."""
    message = 'no "budget"\n\ndata: \ud800 x'
    for path in ("", "/v1/chat/completions", "/v1/unknown"):
        body = dialect_of(vendor).error_body(403, message, "budget_exceeded", path)
        assert isinstance(json.loads(body), dict)
        assert b"budget_exceeded" in body.lower()
        assert rb"no \"budget\"\n\ndata" in body


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_error_in_mid_stream_is_one_whole_frame(vendor: str) -> None:
    """With our message and code; whatever stands in them is no line's end."""
    frame = dialect_of(vendor).stream_error(403, "no\n\ndata: x", "response_blocked")
    assert b"response_blocked" in frame.lower()
    assert rb"no\n\ndata: x" in frame
    if frame.startswith((b"data:", b"event:")):
        frames = WholeFrames()
        assert frames.take(frame) == frame
        assert frame.count(b"\n\n") + frame.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_nothing_is_presented_by_nobody(vendor: str) -> None:
    """Two empty texts."""
    assert dialect_of(vendor).presented([]) == ("", "")


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_no_stream_is_none(vendor: str) -> None:
    """A whole answer has no scanner."""
    assert dialect_of(vendor).scanner("/v1/x", b"application/json", hide_usage=False) is None
    assert dialect_of(vendor).scanner("/v1/x", b"", hide_usage=False) is None


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("chunk", [b"", b"\n", b"x", b"\0" * 10, b"data: x\n\n"])
def test_a_scanner_gives_back_what_it_got(vendor: str, chunk: bytes) -> None:
    """Whatever comes: what leaves at once and what is held are together what came."""
    scanner = dialect_of(vendor).scanner("/v1/x", b"text/event-stream", hide_usage=False)
    if scanner is None:
        return
    assert scanner.feed(chunk) + scanner.finish() == chunk
    assert not scanner.ended
