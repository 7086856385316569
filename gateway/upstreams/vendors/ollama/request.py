"""What a request to Ollama says, and our edits of it.

Its server takes the names of members in any case, and the last of several: ``Model`` beside ``model`` would get past
the allow-list, so such a body is refused.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.upstreams.vendors.dialect import Asked
from gateway.upstreams.vendors.json_edit import with_member
from gateway.upstreams.vendors.ollama.paths import Endpoint
from sluice.usage.plain_counts import decode_members
from sluice.usage.reading import UNREADABLE

_MAX_RESPONSE_TOKENS: Final = (1 << 31) - 1
"""No model gives more; so a reservation stays within 64 bits."""
_READ: Final = frozenset((
    "model", "name", "stream", "options", "stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens",
    "n", "messages", "prompt", "input", "tools", "images",
))  # fmt: skip
"""Members that we read: here, in OpenAI's dialect, or to count the input."""
_STREAMS: Final = frozenset(("chat", "generate", "progress"))
"""Endpoints that stream unless they are told not to."""


class _Options(msgspec.Struct):
    num_predict: int | float | None = None


class _Request(msgspec.Struct):
    model: str | None = None
    name: str | None = None  # the older name, on paths that manage models
    stream: bool | None = None
    options: _Options | None = None


_decode_request = msgspec.json.Decoder(_Request).decode


def ask(body: bytes, endpoint: Endpoint) -> Asked:
    """Decode the fields that matter; a body that is not JSON is an error only where the path wants JSON."""
    is_free = endpoint in {"free", "progress"}
    if not body:
        return Asked(is_free=is_free)
    try:
        request = _decode_request(body)
    except UNREADABLE as error:
        if body[:1] == b"{" or endpoint in {"chat", "generate", "embed"}:
            raise ValueError(str(error)) from error
        return Asked(is_free=is_free)
    return Asked(
        model=request.model or request.name or None,
        is_stream=request.stream is not False if endpoint in _STREAMS else bool(request.stream),
        wants_usage=True,  # given unasked
        max_response_tokens=_maximum(request.options) if endpoint in {"chat", "generate", "other"} else 0,
        is_free=is_free,
    )


def check_names(body: bytes) -> None:
    """Raises ``ValueError`` where a member that we read is written in another case."""
    for name in decode_members(body) or ():
        if name not in _READ and (meant := name.casefold()) in _READ:
            message = f"the member {name[:64]!r} must be written {meant!r}"
            raise ValueError(message)


def with_maximum(body: bytes, endpoint: Endpoint, tokens: int) -> bytes | None:
    """The body with ``options.num_predict``; ``None`` where there is none to say it."""
    if endpoint not in {"chat", "generate"} or body.lstrip()[:1] != b"{":
        return None
    return with_member(body, ("options", "num_predict"), b"%d" % tokens)


def _maximum(options: _Options | None) -> int | None:
    """The most response tokens; none for 0, -1 (no end) and -2 (until the context is full)."""
    named = options.num_predict if options is not None else None
    return min(int(named), _MAX_RESPONSE_TOKENS) if named is not None and named >= 1 else None
