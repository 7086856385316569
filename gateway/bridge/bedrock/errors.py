"""Bedrock's errors as OpenAI's."""

from __future__ import annotations

from typing import Final

from gateway.bridge.interface import OpenAiError
from gateway.bridge.refusals import object_of, refusal_of, snake, text_of

_STATUSES: Final = {
    "validationException": 400,
    "throttlingException": 429,
    "serviceUnavailableException": 503,
    "internalServerException": 500,
    "modelStreamErrorException": 500,
    "modelTimeoutException": 504,
    "accessDeniedException": 403,
    "resourceNotFoundException": 404,
}
"""Of the exceptions in streams, which have no status."""


def error_of(status: int, body: bytes) -> OpenAiError:
    """Of a body. ``__type`` may have a namespace before a ``#``; the message's name is written both ways."""
    members = object_of(body)
    message = text_of(members.get("message")) or text_of(members.get("Message"))
    kind = text_of(members.get("__type")).rpartition("#")[2]
    return refusal_of(status, message, snake(kind) or None)


def error_of_exception(kind: str, payload: bytes, message: str = "") -> OpenAiError:
    """Of an exception in a stream: its type and its payload."""
    members = object_of(payload)
    said = message or text_of(members.get("message")) or text_of(members.get("Message"))
    status = _STATUSES.get(kind[:1].lower() + kind[1:], 500)
    return refusal_of(status, said or f"the vendor broke the stream off: {kind or 'exception'}", snake(kind) or None)
