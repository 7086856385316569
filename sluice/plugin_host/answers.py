"""What plugins answer, checked and applied: a lie about types is an error with a name, not a surprise further on.

Raises AnswerError for what cannot be applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec.structs import replace

from sluice.plugin_host.errors import PluginBlocked, described
from sluice.sdk.capabilities import Hook
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.headers import Headers, RawHeaders, check_raw_headers
from sluice.sdk.messages import (
    EnrichedRequest,
    PluginRequest,
    PluginResponse,
    ResponseWriteRequest,
    ResponseWriteResponse,
    StreamCompleteRequest,
)

MessageT = TypeVar("MessageT", PluginRequest, EnrichedRequest, ResponseWriteRequest, StreamCompleteRequest)

_FRAMING = frozenset(
    (b"connection", b"content-length", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
"""How bytes travel on one connection is the host's to say: these stay as they are, whatever a plugin does."""

UPSTREAM_OVERRIDE = "upstream_override"
"""The one key of ``context_updates`` that the gateway acts on."""

_INTERNAL_NAMES = frozenset(
    ("app", "app_id", "edge_id", "edge_namespace", "exchange_id", "llm", "llm_id", "llm_slug", "request_id", "runtime",
     "user", "user_id", "vendor")
)  # fmt: skip
"""What the gateway itself says of an exchange: a plugin that set it would speak in the gateway's name."""

_FROM_REQUEST = frozenset(("headers", "body"))


class AnswerError(Exception):
    """An answer that cannot be applied; the message says why."""


class BlockError(AnswerError):
    """A block that cannot be said as the plugin wants. It is one all the same: nothing passes, whatever its policy."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one answer may carry."""

    max_body_bytes: int = 10 << 20
    max_header_bytes: int = 64 << 10
    """Of those that are not the message's own."""
    max_metadata_bytes: int = 16 << 10
    """Of one exchange, all plugins together."""
    max_message_characters: int = 4096
    """Of a block: what the client is told."""


def apply_to_request(
    answer: PluginResponse, message: PluginRequest, facts: ExchangeFacts, limits: Limits, plugin: str = ""
) -> PluginRequest:
    """The request as the answer of ``plugin`` leaves it; metadata goes into ``facts``."""
    headers, body = answer.headers, answer.body
    if answer.request is not None:
        _check_request(answer.request, message)
        headers = answer.request.headers if headers is None else headers
        body = answer.request.body if body is None else body
    changed = _changed(message, headers, body, limits)
    if answer.context_updates:
        _update_metadata(facts, answer.context_updates, limits, plugin)
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
    """The plugin's own answer to the client. Raises BlockError."""
    try:
        return _blocked(plugin, hook, answer, limits)
    except AnswerError as error:
        raise BlockError(str(error)) from error
    except Exception as error:
        message = f"blocked, and what it says raised {described(error)}"
        raise BlockError(message) from error


def _blocked(plugin: str, hook: Hook, answer: PluginResponse | ResponseWriteResponse, limits: Limits) -> PluginBlocked:
    status: Any = answer.status_code
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        message = f"blocked with status {status!r:.40}, which is not one of 200 to 599"
        raise AnswerError(message)
    lines = [] if answer.headers is None else _lines(answer.headers)
    _check(lines, limits)
    headers = [line for line in lines if line[0] not in _FRAMING]
    body = None if answer.body is None else _checked_body(answer.body, limits)
    text = said_text(answer.message, "message")
    if len(text) > limits.max_message_characters:
        message = f"message has {len(text)} characters, more than {limits.max_message_characters}"
        raise AnswerError(message)
    return PluginBlocked(plugin, hook, int(status), headers, body, text)


def _changed(message: MessageT, headers: Any, body: Any, limits: Limits) -> MessageT:
    changes: dict[str, Any] = {}
    if body is not None:
        changes["body"] = _checked_body(body, limits)
    if headers is not None and headers is not message.headers:
        changes["headers"] = _replaced(message.headers.raw, headers, limits)
    return replace(message, **changes) if changes else message


def _replaced(original: RawHeaders, headers: Any, limits: Limits) -> Headers:
    """The headers of an answer, with the framing of the original and no other.

    Most plugins add a line or two: those alone are looked at, the original's own were looked at when they came.
    """
    lines = [*headers.raw] if headers.__class__ is Headers else _lines(headers)
    if lines[: len(original)] == original:
        added = lines[len(original) :]
        _check(added, limits)
        for name, _ in added:
            if name in _FRAMING:
                break
        else:
            return Headers.of_raw(lines)
    else:
        known = set(map(id, original))
        _check([line for line in lines if id(line) not in known], limits)
    kept = [line for line in original if line[0] in _FRAMING]
    return Headers.of_raw([*(line for line in lines if line[0] not in _FRAMING), *kept])


def _lines(headers: Any) -> RawHeaders:
    """In a list that nobody else has."""
    try:
        if headers.__class__ is Headers:
            return list(headers.raw)
        if isinstance(headers, Mapping):
            return list(Headers(headers).raw)
    except (TypeError, ValueError, AttributeError) as error:
        message = f"headers cannot be sent: {error}"
        raise AnswerError(message) from error
    message = f"headers are {_kind(headers)}, not a mapping"
    raise AnswerError(message)


def _check(lines: RawHeaders, limits: Limits) -> None:
    size = 0
    try:
        check_raw_headers(lines)
        for name, value in lines:
            size += len(name) + len(value)
    except (TypeError, ValueError, AttributeError) as error:
        message = f"headers cannot be sent: {error}"
        raise AnswerError(message) from error
    if size > limits.max_header_bytes:
        message = f"headers are larger than {limits.max_header_bytes} bytes"
        raise AnswerError(message)


def _checked_body(body: Any, limits: Limits) -> bytes:
    """In bytes of ours, whose length is theirs: a class of the plugin's could say another one than it sends."""
    if body.__class__ is not bytes:
        if not isinstance(body, bytes | bytearray | memoryview):
            message = f"body is {_kind(body)}, not bytes"
            raise AnswerError(message)
        body = memoryview(body)
    size = len(body) if body.__class__ is bytes else body.nbytes
    if size > limits.max_body_bytes:
        message = f"body has {size} bytes, more than {limits.max_body_bytes}"
        raise AnswerError(message)
    return bytes(body)


def checked_text(text: Any, what: str) -> str:
    """The text, as a ``str`` and no class of the plugin's; raises AnswerError where it is none, or has no UTF-8."""
    plain = _plain_text(text, what)
    if not plain.isascii():
        utf8_bytes(plain, what)
    return plain


def said_text(text: Any, what: str) -> str:
    """As ``checked_text``, of what people read: what has no UTF-8 is a question mark there."""
    plain = _plain_text(text, what)
    return plain if plain.isascii() else plain.encode("utf-8", "replace").decode()


def _plain_text(text: Any, what: str) -> str:
    if not isinstance(text, str):
        message = f"{what} is {_kind(text)}, not text"
        raise AnswerError(message)
    return str.__str__(text)


def utf8_bytes(text: str, what: str) -> int:
    """How long it is; raises AnswerError for half a surrogate pair, which nothing can send or record."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        message = f"{what} has a lone surrogate at {error.start}, so it has no UTF-8"
        raise AnswerError(message) from error


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


def _update_metadata(facts: ExchangeFacts, updates: Any, limits: Limits, plugin: str) -> None:
    if not isinstance(updates, dict | Mapping):
        message = f"context_updates are {_kind(updates)}, not a mapping"
        raise AnswerError(message)
    added = checked_texts(updates, "context_updates")
    for key in added:
        if key in _INTERNAL_NAMES or key.startswith("_"):
            message = f"context_updates: {key[:100]} is the gateway's to say; choose another key"
            raise AnswerError(message)
    size = 0
    for key, value in (facts.metadata | added).items():
        size += utf8_bytes(key, key) + utf8_bytes(value, key)
    if size > limits.max_metadata_bytes:
        message = f"metadata is larger than {limits.max_metadata_bytes} bytes"
        raise AnswerError(message)
    facts.metadata.update(added)
    if UPSTREAM_OVERRIDE in added:
        facts.overridden_by = plugin if added[UPSTREAM_OVERRIDE] else ""


def checked_texts(values: Mapping[Any, Any], what: str) -> dict[str, str]:
    """A mapping of text to text, in a dict of ours; raises AnswerError."""
    checked: dict[str, str] = {}
    for key, value in values.items():
        if key.__class__ is str and value.__class__ is str and key.isascii() and value.isascii():
            checked[key] = value
        else:
            checked[checked_text(key, f"a key of {what}")] = checked_text(value, f"{what}[{key!r:.40}]")
    return checked


def _kind(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
