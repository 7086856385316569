"""Anthropic's errors as OpenAI's."""

from __future__ import annotations

import pytest

from gateway.bridge.anthropic.errors import error_of, error_of_event

LIMITED = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"},"request_id":"r"}'


def test_its_type_is_the_code() -> None:
    """The kind is OpenAI's, by the status."""
    error = error_of(429, LIMITED)
    assert (error.message, error.type, error.code, error.param) == (
        "slow down",
        "rate_limit_error",
        "rate_limit_error",
        None,
    )
    assert error_of(529, LIMITED).type == "server_error"


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b'{"error": "text"}', b'{"error": {"type": 7}}'])
def test_another_body_says_something_too(body: bytes) -> None:
    """What it is, or its status."""
    assert error_of(502, body).message
    assert error_of(502, b"x" * 100_000).message == "x" * 4096


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("overloaded_error", "server_error"), ("rate_limit_error", "rate_limit_error"), ("x", "server_error")],
)
def test_an_error_inside_a_stream_has_no_status(kind: str, wanted: str) -> None:
    """Its type tells which it would be."""
    assert error_of_event({"type": "error", "error": {"type": kind, "message": "m"}}).type == wanted
    assert error_of_event({"type": "error"}).message
