"""What plugins answer, checked and applied: a lie about types is an error with a name, not a surprise further on.

Raises AnswerError for what cannot be applied, PluginBlocked for a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sluice.plugin_host.errors import PluginBlocked
from sluice.sdk.capabilities import Hook
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.headers import Headers, RawHeaders, check_raw_headers
from sluice.sdk.messages import (
    EnrichedRequest,
    PluginRequest,
    PluginResponse,
    ResponseWriteRequest,
    ResponseWriteResponse,
)

MessageT = TypeVar("MessageT", PluginRequest, EnrichedRequest, ResponseWriteRequest)

_FRAMING = frozenset(
    (b"connection", b"content-length", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
"""How bytes travel on one connection is the host's to say: these stay as they are, whatever a plugin does."""

_RESERVED_METADATA = frozenset(("upstream_override",))
"""Means something to the reference that this version does not do; accepting it in silence would be worse."""

_FROM_REQUEST = frozenset(("headers", "body"))


class AnswerError(Exception):
    """An answer that cannot be applied; the message says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one answer may carry."""

    max_body_bytes: int = 10 << 20
    max_header_bytes: int = 64 << 10
    max_metadata_bytes: int = 16 << 10
    """Of one exchange, all plugins together."""
    max_message_characters: int = 4096
    """Of a block: what the client is told."""


def apply_to_request(
    answer: PluginResponse, message: PluginRequest, facts: ExchangeFacts, limits: Limits
) -> PluginRequest:
    """The request as the answer leaves it; metadata goes into ``facts``."""
    headers, body = answer.headers, answer.body
    if answer.request is not None:
        _check_request(answer.request, message)
        headers = answer.request.headers if headers is None else headers
        body = answer.request.body if body is None else body
    changed = _changed(message, headers, body, limits)
    if answer.context_updates:
        _update_metadata(facts, answer.context_updates, limits)
    return changed


def apply_to_response(
    answer: ResponseWriteResponse, message: ResponseWriteRequest, hook: Hook, limits: Limits
) -> ResponseWriteRequest:
    """The response as the answer leaves it."""
    if hook == "response_headers" and answer.body is not None:
        message_text = "on_before_write_headers cannot change the body, which has not arrived; use on_before_write"
        raise AnswerError(message_text)
    return _changed(message, answer.headers, answer.body, limits)


def blocked(plugin: str, hook: Hook, answer: PluginResponse | ResponseWriteResponse, limits: Limits) -> PluginBlocked:
    """The plugin's own answer to the client."""
    status: Any = answer.status_code
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        message = f"blocked with status {status!r:.40}, which is not one of 200 to 599"
        raise AnswerError(message)
    raw = [] if answer.headers is None else _checked_headers(answer.headers, limits)
    headers = [line for line in raw if line[0] not in _FRAMING]
    body = None if answer.body is None else _checked_body(answer.body, limits)
    text = _checked_text(answer.message, "message")
    if len(text) > limits.max_message_characters:
        message = f"message has {len(text)} characters, more than {limits.max_message_characters}"
        raise AnswerError(message)
    return PluginBlocked(plugin, hook, int(status), headers, body, text)


def _changed(message: MessageT, headers: Any, body: Any, limits: Limits) -> MessageT:
    changes: dict[str, Any] = {}
    if body is not None:
        changes["body"] = _checked_body(body, limits)
    if headers is not None and headers is not message.headers:
        changes["headers"] = _reframed(_checked_headers(headers, limits), message.headers.raw)
    return message.replace(**changes) if changes else message


def _reframed(raw: RawHeaders, original: RawHeaders) -> Headers:
    kept = [line for line in original if line[0] in _FRAMING]
    return Headers.of_raw([*(line for line in raw if line[0] not in _FRAMING), *kept])


def _checked_headers(headers: Any, limits: Limits) -> RawHeaders:
    if not isinstance(headers, Mapping):
        message = f"headers are {_kind(headers)}, not a mapping"
        raise AnswerError(message)
    try:
        raw = Headers(headers).raw
        check_raw_headers(raw)
    except (TypeError, ValueError, AttributeError) as error:
        message = f"headers cannot be sent: {error}"
        raise AnswerError(message) from error
    if sum(len(name) + len(value) for name, value in raw) > limits.max_header_bytes:
        message = f"headers are larger than {limits.max_header_bytes} bytes"
        raise AnswerError(message)
    return raw


def _checked_body(body: Any, limits: Limits) -> bytes:
    if not isinstance(body, bytes | bytearray | memoryview):
        message = f"body is {_kind(body)}, not bytes"
        raise AnswerError(message)
    size = body.nbytes if isinstance(body, memoryview) else len(body)
    if size > limits.max_body_bytes:
        message = f"body has {size} bytes, more than {limits.max_body_bytes}"
        raise AnswerError(message)
    return body if isinstance(body, bytes) else bytes(body)


def _checked_text(text: Any, what: str) -> str:
    if not isinstance(text, str):
        message = f"{what} is {_kind(text)}, not text"
        raise AnswerError(message)
    return text


def _check_request(request: Any, message: PluginRequest) -> None:
    """Routing was decided and the caller is who it is: only headers and body of a whole request may differ."""
    if not isinstance(request, PluginRequest):
        text = f"request is {_kind(request)}, not a PluginRequest"
        raise AnswerError(text)
    for name in message.__struct_fields__:
        own = getattr(message, name)
        if name not in _FROM_REQUEST and getattr(request, name, own) != own:
            text = f"{name} of a request cannot be changed"
            raise AnswerError(text)


def _update_metadata(facts: ExchangeFacts, updates: Any, limits: Limits) -> None:
    if not isinstance(updates, Mapping):
        message = f"context_updates are {_kind(updates)}, not a mapping"
        raise AnswerError(message)
    added = {
        _checked_text(key, "a key of context_updates"): _checked_text(value, f"context_updates[{key!r:.40}]")
        for key, value in updates.items()
    }
    reserved = _RESERVED_METADATA.intersection(added)
    if reserved:
        message = f"context_updates: {', '.join(reserved)} is not in this version"
        raise AnswerError(message)
    merged = {**facts.metadata, **added}
    if sum(_utf8_bytes(key) + _utf8_bytes(value) for key, value in merged.items()) > limits.max_metadata_bytes:
        message = f"metadata is larger than {limits.max_metadata_bytes} bytes"
        raise AnswerError(message)
    facts.metadata.update(added)


def _utf8_bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _kind(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
