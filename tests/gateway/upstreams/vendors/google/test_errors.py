"""Tests of ``gateway.upstreams.vendors.google.errors``: Google's shape, and nothing beside it."""

from __future__ import annotations

import json

import pytest
from google.genai import errors as sdk

from gateway.upstreams.vendors.google.errors import array_error, error_body, stream_error


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [(400, "INVALID_ARGUMENT", sdk.ClientError), (401, "UNAUTHENTICATED", sdk.ClientError),
     (403, "PERMISSION_DENIED", sdk.ClientError), (418, "FAILED_PRECONDITION", sdk.ClientError),
     (429, "RESOURCE_EXHAUSTED", sdk.ClientError), (502, "UNAVAILABLE", sdk.ServerError),
     (504, "DEADLINE_EXCEEDED", sdk.ServerError), (599, "INTERNAL", sdk.ServerError)],
)  # fmt: skip
def test_the_sdk_reads_it(status: int, name: str, kind: type[sdk.APIError]) -> None:
    """Status, message and Google's name of it; our code is the reason."""
    body = json.loads(error_body(status, "no \ud800", "budget_exceeded"))
    error = kind(status, body)
    assert (error.code, error.status, error.message) == (status, name, "no ?")
    assert list(body) == ["error"]
    [detail] = body["error"]["details"]
    assert (detail["reason"], detail["metadata"]["code"]) == ("BUDGET_EXCEEDED", "budget_exceeded")
    with pytest.raises(kind):
        sdk.APIError.raise_error(status, body, None)


def test_in_streams() -> None:
    """An event of its own, or the last element."""
    assert stream_error(403, "no", "").startswith(b'data: {"error":{"code":403')
    assert stream_error(403, "no", "").endswith(b"}\r\n\r\n")
    assert json.loads(b"[{}" + array_error(403, "no", ""))[1]["error"]["details"] == []
