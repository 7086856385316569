"""Bedrock's errors as OpenAI's."""

from __future__ import annotations

import pytest

from gateway.bridge.bedrock.errors import error_of, error_of_exception

SILENT = "the vendor refused with status 429 and said nothing"


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"message": "Too many"}', "Too many", None),
        (b'{"Message": "Too many"}', "Too many", None),
        (b'{"__type": "com.amazon.coral#ThrottlingException", "message": "m"}', "m", "throttling_exception"),
        (b'{"__type": "ThrottlingException"}', SILENT, "throttling_exception"),
        (b"<html>", SILENT, None),
        (b'{"message": 5}', SILENT, None),
    ],
)  # fmt: skip
def test_the_vendor_s_words_and_type_come_through(body: bytes, message: str, code: str | None) -> None:
    """Whatever the body is."""
    error = error_of(429, body)
    assert (error.message, error.type, error.code) == (message, "rate_limit_error", code)


def test_an_exception_has_the_status_that_its_type_has() -> None:
    """Streams say none; in any case of its first letter."""
    assert error_of_exception("ThrottlingException", b'{"message": "m"}').type == "rate_limit_error"
    assert error_of_exception("validationException", b"").type == "invalid_request_error"
    assert error_of_exception("", b"").type == "server_error"
