"""What an HTTP status means to a sink that has no better sign.

| status | class |
|---|---|
| 2xx | taken |
| 429; 503 with ``Retry-After`` | retry, throttled |
| 408, 409, 425, other 5xx | retry |
| 413 | too large: in halves |
| 3xx | halt: redirects are not followed |
| 401, 403, 407 | halt: credentials |
| 404, 405, 406, 410, 411, 415, 421, 426, 431, 501, 505 | halt: this is not the server that was meant |
| 400, 422 and the rest | an item is at fault, and halving finds it |
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.http.client import HttpAnswer
from sluice.clock import micros_of, now_micros

_CREDENTIALS = frozenset((401, 403, 407))
_ANOTHER_SERVER = frozenset((404, 405, 406, 410, 411, 415, 421, 426, 431, 501, 505))
_LATER = frozenset((408, 409, 425))  # 409: the same idempotency key is being worked on
_MAX_DIGITS = 9

TOO_LARGE = Unprocessable("too_large", "larger than the server takes", status=413)


def is_taken(answer: HttpAnswer) -> bool:
    """Whether the request was answered with success."""
    return 200 <= answer.status < 300


def cause_of(
    answer: HttpAnswer, url_key: str, credentials: str, clock: Callable[[], int] = now_micros
) -> Retryable | Unprocessable | Halt:
    """Why a request was not taken. ``url_key`` and ``credentials`` name what to check; the body is not shown."""
    status = answer.status
    if halt := _halt(status, url_key, credentials):
        return halt
    wait = retry_after_seconds(answer, clock)
    if status == 429 or (status == 503 and wait is not None):
        return Retryable(f"status {status}", wait, throttled=True)
    if status in _LATER or not 400 <= status < 500:
        return Retryable(f"status {status}", wait)
    return TOO_LARGE if status == 413 else Unprocessable(f"status_{status}", "the server refuses it", status=status)


def _halt(status: int, url_key: str, credentials: str) -> Halt | None:
    if 300 <= status < 400:
        return Halt(f"status {status}: redirects are not followed", f"set {url_key} to where it points")
    if status in _CREDENTIALS:
        return Halt(f"status {status}", f"check {credentials}")
    if status in _ANOTHER_SERVER:
        return Halt(f"status {status} from what should take events", f"check {url_key}")
    return None


def retry_after_seconds(answer: HttpAnswer, clock: Callable[[], int] = now_micros) -> float | None:
    """``Retry-After`` in either of its forms; ``None`` where there is none that can be read."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= _MAX_DIGITS else float(10**_MAX_DIGITS)
    try:
        at = parsedate_to_datetime(text)
        micros = micros_of(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return max(0.0, (micros - clock()) / 1_000_000)
