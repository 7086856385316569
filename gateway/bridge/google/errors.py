"""Google's errors as OpenAI's."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.bridge.interface import OpenAiError
from gateway.bridge.refusals import refusal_of, snake, text_of

_NO_STATUS = 500


def error_of(status: int, body: bytes) -> OpenAiError:
    """Of a body: ``{"error": {code, message, status}}``, or a list that has it first."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if isinstance(found, list) and found:
        found = found[0]
    error = found.get("error") if isinstance(found, dict) else None
    return error_of_object(status, error)


def error_of_object(status: int | None, error: Any) -> OpenAiError:
    """Of an ``error`` object. Its own ``code`` is the status where nobody else says one."""
    members = error if isinstance(error, dict) else {}
    if status is None:
        own = members.get("code")
        status = own if type(own) is int and 400 <= own < 600 else _NO_STATUS
    message = text_of(members.get("message")) or text_of(error)
    return refusal_of(status, message, snake(text_of(members.get("status"))) or None)
