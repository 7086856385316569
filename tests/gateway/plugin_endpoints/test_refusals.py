"""Answers of ours: JSON with a stable code, which name the plugin where it is its fault and never say its reason."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.outcomes import AccessDenied, Refusal
from gateway.plugin_endpoints.refusals import (
    EndpointBusy,
    EndpointFailed,
    EndpointUnknown,
    MethodNotAllowed,
    SaidError,
    StreamCut,
    TimeIsUp,
    body_of,
)


@pytest.mark.parametrize(
    ("refusal", "status", "outcome", "body"),
    [
        (EndpointUnknown("/plugins/a/b"), 404, "request_invalid",
         {"error": "no endpoint is registered for '/plugins/a/b'", "code": "endpoint_unknown"}),
        (MethodNotAllowed("PUT", ("GET", "HEAD")), 405, "request_invalid",
         {"error": "PUT is not one of its methods: GET, HEAD", "code": "method_not_allowed"}),
        (EndpointFailed("echo", "raised ValueError: secret"), 502, "plugin_failed",
         {"error": "plugin 'echo' failed", "code": "plugin_failed", "plugin": "echo"}),
        (EndpointFailed("echo", "slow", 504), 504, "plugin_failed",
         {"error": "plugin 'echo' failed", "code": "plugin_failed", "plugin": "echo"}),
        (SaidError("echo", "sold out"), 502, "plugin_failed",
         {"error": "sold out", "code": "endpoint_error", "plugin": "echo"}),
        (EndpointBusy("echo"), 503, "overloaded",
         {"error": "plugin 'echo' has as many calls under way as its max_concurrent allows; try again",
          "code": "overloaded", "plugin": "echo"}),
        (TimeIsUp("echo", 2.5), 502, "plugin_failed",
         {"error": "the answer was not complete within 2.5 s (plugin_host.endpoints.stream_timeout_seconds)",
          "code": "stream_timeout", "plugin": "echo"}),
        (AccessDenied("no", "missing_scope"), 403, "access_denied", {"error": "no", "code": "missing_scope"}),
    ],
)  # fmt: skip
def test_a_refusal_is_json(refusal: Refusal, status: int, outcome: str, body: dict[str, str]) -> None:
    """An ``error`` to read, a ``code`` to act on."""
    assert (refusal.status, refusal.outcome, orjson.loads(body_of(refusal))) == (status, outcome, body)


def test_the_reason_of_a_failure_is_the_record_s_alone() -> None:
    """It may have the plugin's own secrets in it."""
    failure = EndpointFailed("echo", "raised ValueError: secret")
    assert b"secret" not in body_of(failure)
    assert failure.detail == "plugin 'echo' failed: raised ValueError: secret"


def test_headers_say_what_to_do() -> None:
    """405 with Allow, 503 with Retry-After; the connection stays."""
    assert MethodNotAllowed("PUT", ("GET", "HEAD")).headers == ((b"allow", b"GET, HEAD"),)
    for refusal in (EndpointFailed("echo", "open", 503), EndpointBusy("echo")):
        assert refusal.headers == ((b"retry-after", b"1"),)
        assert not refusal.close
    assert EndpointFailed("echo", "raised").headers == ()


def test_a_path_is_not_repeated_without_end() -> None:
    """A client cannot make us write more than it says."""
    assert len(body_of(EndpointUnknown("/" + "a" * 100_000))) < 400


def test_a_cut_stream_is_what_it_failed_of() -> None:
    """Only an event stream that was told that its time is up is a good answer."""
    end: list[Any] = [{"type": "http.response.body", "body": b"x", "more_body": False}]
    assert StreamCut(EndpointFailed("echo", "raised"), end).outcome == "plugin_failed"
    assert StreamCut(TimeIsUp("echo", 1), end).outcome == "ok"
    cut = StreamCut(TimeIsUp("echo", 1), [])
    assert (cut.outcome, cut.code, cut.messages) == ("plugin_failed", "stream_timeout", [])
