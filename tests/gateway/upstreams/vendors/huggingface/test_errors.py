"""Tests of ``gateway.upstreams.vendors.huggingface.errors``."""

from __future__ import annotations

import json

import pytest

from gateway.upstreams.vendors.huggingface.errors import error_body, stream_error


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "validation"), (401, "authentication"), (403, "permission"), (404, "not_found"), (409, "validation"),
     (422, "validation"), (429, "overloaded"), (500, "generation"), (502, "generation"), (504, "generation")],
)  # fmt: skip
def test_an_error_is_a_text_and_its_type(status: int, kind: str) -> None:
    """The SDK chooses its class by the type."""
    assert json.loads(error_body(status, "no", "budget_exceeded")) == {
        "error": "no", "error_type": kind, "status": status, "message": "no", "code": "budget_exceeded",
    }  # fmt: skip


@pytest.mark.parametrize("message", ["no", "a\n\ndata: b\r\n", "\ud83d", ""])
def test_in_a_stream_it_is_one_event(message: str) -> None:
    """Whatever stands in it."""
    error = stream_error(502, message, "response_blocked")
    assert error.startswith(b"data: {")
    assert error.endswith(b"}\n\n")
    assert error.count(b"\n") == 2
    assert json.loads(error[6:])["error_type"] == "generation"
