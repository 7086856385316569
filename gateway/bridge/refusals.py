"""A vendor's refusal in OpenAI's words: its kind by the status, the vendor's own code, its message."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from gateway.bridge.interface import OpenAiError

_KINDS: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_MAX_MESSAGE_CHARACTERS: Final = 4096
_NEW_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def refusal_of(status: int, message: str, code: str | None) -> OpenAiError:
    """The error; where the vendor says nothing, its status speaks."""
    text = message.strip()[:_MAX_MESSAGE_CHARACTERS] or f"the vendor refused with status {status} and said nothing"
    return OpenAiError(text, kind_of(status), code)


def kind_of(status: int) -> str:
    """OpenAI's ``type`` of an error with this status."""
    return _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")


def snake(name: str) -> str:
    """``ThrottlingException`` or ``RESOURCE_EXHAUSTED`` as a code of OpenAI's is written."""
    return _NEW_WORD.sub("_", name).lower()


def object_of(body: bytes) -> dict[str, Any]:
    """A body's JSON object; an empty one where it is none."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def text_of(value: object) -> str:
    """A text, or nothing."""
    return value if isinstance(value, str) else ""
