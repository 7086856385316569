"""Google's errors as OpenAI's."""

from __future__ import annotations

import orjson
import pytest

from gateway.bridge.google.errors import error_of, error_of_object

QUOTA = {"error": {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED", "details": []}}


@pytest.mark.parametrize("body", [orjson.dumps(QUOTA), orjson.dumps([QUOTA])])
def test_the_vendor_s_words_and_code_come_through(body: bytes) -> None:
    """Of an object and of the list that streams begin with."""
    error = error_of(429, body)
    assert (error.message, error.type, error.code) == ("Quota exceeded", "rate_limit_error", "resource_exhausted")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[5]", b'{"error": 5}', b'{"error": {"message": 5}}'])
def test_whatever_a_body_is_its_status_speaks(body: bytes) -> None:
    """Never raises."""
    error = error_of(503, body)
    assert error.type == "server_error"
    assert "503" in error.message


@pytest.mark.parametrize(("code", "kind"), [(403, "permission_error"), ("x", "server_error"), (200, "server_error")])
def test_an_error_in_a_stream_has_its_own_code(code: object, kind: str) -> None:
    """Where that is no status of an error, it is the server's."""
    assert error_of_object(None, {"code": code, "message": "m"}).type == kind
