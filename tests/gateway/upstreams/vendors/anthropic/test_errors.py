"""Tests of ``gateway.upstreams.vendors.anthropic.errors``: the vendor's shape around our three fields."""

from __future__ import annotations

import json

import pytest

from gateway.upstreams.vendors.anthropic.errors import error_body, stream_error


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (418, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_each_status_has_the_vendor_s_type(status: int, kind: str) -> None:
    """As its documentation pairs them; others by their hundred."""
    assert json.loads(error_body(status, "no", "x")) == {
        "type": "error",
        "error": {"type": kind, "message": "no", "details": {"error_code": "x"}},
        "status": status,
        "message": "no",
        "code": "x",
    }


def test_an_error_in_a_stream_is_an_event_of_that_name() -> None:
    """Its SDKs raise on nothing else."""
    name, data = stream_error(503, "no", "overloaded").decode().split("\n", 1)
    assert name == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["type"] == "overloaded_error"
    assert data.endswith("\n\n")


def test_what_json_cannot_carry_is_replaced() -> None:
    """Half of a surrogate pair in a message breaks nothing."""
    assert json.loads(error_body(400, "a\ud83d", "x"))["message"] == "a?"
