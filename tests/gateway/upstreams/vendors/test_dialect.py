"""Tests of ``gateway.upstreams.vendors.dialect``: laws that hold for every vendor's dialect."""

from __future__ import annotations

import json

import pytest

from gateway.snapshot_builder import DIALECTS
from gateway.upstreams.sse_frames import WholeFrames
from gateway.upstreams.vendors.dialect import Answer, Asked, Dialect, StreamScanner

VENDORS = sorted(DIALECTS)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_dialect_is_found_by_its_name(vendor: str) -> None:
    """The name in the settings is the dialect's own."""
    dialect: Dialect = DIALECTS[vendor]
    assert dialect.name == vendor


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_empty_body_asks_nothing(vendor: str) -> None:
    """A ``GET`` has no body, whatever its path."""
    assert DIALECTS[vendor].ask(b"", "/v1/models") == Asked()
    assert DIALECTS[vendor].answer(b"") == Answer()


@pytest.mark.parametrize("vendor", VENDORS)
def test_errors_have_status_message_and_code(vendor: str) -> None:
    """Beside the vendor's own shape every error says the same three things."""
    body = json.loads(DIALECTS[vendor].error_body(403, "no", "budget_exceeded"))
    assert (body["status"], body["message"], body["code"]) == (403, "no", "budget_exceeded")


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_error_in_mid_stream_is_one_whole_frame(vendor: str) -> None:
    """With our message and code; whatever stands in them is no line's end."""
    frame = DIALECTS[vendor].stream_error(403, "no\n\ndata: x", "response_blocked")
    frames = WholeFrames()
    assert frames.take(frame) == frame
    assert frame.count(b"\n\n") == 1
    assert b"response_blocked" in frame


@pytest.mark.parametrize("vendor", VENDORS)
def test_nothing_is_presented_by_nobody(vendor: str) -> None:
    """Two empty texts."""
    assert DIALECTS[vendor].presented([]) == ("", "")


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("chunk", [b"", b"\n", b"x", b"\0" * 10, b"data: x\n\n"])
def test_a_scanner_gives_back_what_it_got(vendor: str, chunk: bytes) -> None:
    """Whatever comes: what leaves at once and what is held are together what came."""
    scanner: StreamScanner = DIALECTS[vendor].scanner("/v1/x", hide_usage=False)
    assert scanner.feed(chunk) + scanner.finish() == chunk
    assert not scanner.ended
