"""Anthropic's errors as OpenAI's: its ``type`` is the code."""

from __future__ import annotations

from typing import Any, Final

from gateway.bridge.interface import OpenAiError
from gateway.bridge.refusals import object_of, refusal_of, text_of

_STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Of errors in streams, which have no status of their own; others are 500."""


def error_of(status: int, body: bytes) -> OpenAiError:
    """Of a whole body."""
    found = object_of(body)
    error = found.get("error")
    if not isinstance(error, dict):  # a proxy's on the way
        return refusal_of(status, body.decode("utf-8", "replace"), None)
    return refusal_of(status, text_of(error.get("message")), text_of(error.get("type")) or None)


def error_of_event(event: dict[str, Any]) -> OpenAiError:
    """Of an ``error`` event."""
    error = event.get("error")
    members = error if isinstance(error, dict) else {}
    kind = text_of(members.get("type"))
    return refusal_of(_STATUSES.get(kind, 500), text_of(members.get("message")), kind or None)
