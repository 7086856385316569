"""Tests of ``gateway.upstreams.vendors.ollama.errors``."""

from __future__ import annotations

import json

import pytest

from gateway.upstreams.vendors.ollama.errors import error_body, stream_error


def test_an_error_is_a_text() -> None:
    """And no ``status``, which its own client would read as a text: a number there hides the message from it."""
    assert json.loads(error_body("no", "budget_exceeded")) == {
        "error": "no", "message": "no", "code": "budget_exceeded",
    }  # fmt: skip


@pytest.mark.parametrize("message", ["no", "a\nb\r\n", "\ud83d", ""])
def test_in_a_stream_it_is_one_line(message: str) -> None:
    """Whatever stands in it."""
    error = stream_error(message, "response_blocked")
    assert error.endswith(b"}\n")
    assert error.count(b"\n") == 1
    assert b"\r" not in error
    assert json.loads(error)["code"] == "response_blocked"
