"""What a status means, and what a server may write into Retry-After."""

from __future__ import annotations

import pytest

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.http.answers import cause_of, is_taken, retry_after_seconds
from collectors.sinks.http.client import HttpAnswer
from tests.collectors.events import NOW_MICROS


def cause(status: int, **headers: str) -> Retryable | Unprocessable | Halt:
    """Of an answer with a body that must not be shown."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = HttpAnswer(status, b"the secret value", named)
    return cause_of(answer, "url", "bearer_token", lambda: NOW_MICROS)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_is_taken(status: int) -> None:
    """All of 2xx, whatever the body."""
    assert is_taken(HttpAnswer(status))


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308, 401, 403, 404, 405, 407, 410, 415, 421, 501])
def test_what_is_not_set_up_halts(status: int) -> None:
    """Nothing is dead-lettered for a wrong address or a wrong credential; the remedy names the key."""
    found = cause(status)
    assert isinstance(found, Halt)
    assert "url" in found.remedy or "bearer_token" in found.remedy
    assert not is_taken(HttpAnswer(status))


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 507, 599, 100, 600, 999])
def test_what_may_pass_is_retried(status: int) -> None:
    """Timeouts, servers in trouble, and what is no status at all."""
    assert isinstance(cause(status), Retryable)


@pytest.mark.parametrize("status", [400, 402, 413, 418, 422, 451])
def test_what_is_refused_is_searched(status: int) -> None:
    """One of the documents may be at fault."""
    found = cause(status)
    assert isinstance(found, Unprocessable)
    assert found.status == status


def test_throttling_is_said_with_its_time() -> None:
    """429 always; 503 where it names a time, else it is only a trouble."""
    for status, named, throttled in ((429, "", True), (429, "7", True), (503, "7", True), (503, "", False)):
        found = cause(status, retry_after=named)
        assert isinstance(found, Retryable)
        assert found.throttled is throttled
        assert found.retry_after_seconds == (7.0 if named else None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("Mon, 24 Nov 2025 16:00:30 GMT", 30.0),
        ("Mon, 24 Nov 2025 15:00:00 GMT", 0.0),
        ("9" * 400, 1e9),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("", None),
        ("Mon, 99 Foo 2025 16:00:30 GMT", None),
        ("Mon, 24 Nov 99999999999 16:00:30 GMT", None),
    ],
)
def test_retry_after_in_both_forms_and_none(text: str, seconds: float | None) -> None:
    """Seconds or a date; whatever else stands there is no reason to fail or to wait for ever."""
    found = retry_after_seconds(HttpAnswer(429, headers={"retry-after": text}), lambda: NOW_MICROS)
    assert found == seconds


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500])
def test_no_body_is_shown(status: int) -> None:
    """It may repeat what was sent."""
    assert "secret" not in str(cause(status))
