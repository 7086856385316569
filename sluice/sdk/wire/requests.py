"""Requests, and what plugins answer to them."""

from __future__ import annotations

from typing import Any, Final

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.plugin_wire.extensions_pb2 import BODY_GIVEN, BODY_UNCHANGED
from sluice.sdk.context import Context
from sluice.sdk.headers import Headers, HeaderValues
from sluice.sdk.messages import EnrichedRequest, PluginRequest, PluginResponse
from sluice.sdk.wire.context import put_context
from sluice.sdk.wire.headers import merged, put_headers, unchecked_headers_from
from sluice.sdk.wire.values import i32, put_texts, raw, text

DEFAULT_BLOCK_STATUS: Final = 403
"""Of a block that names none."""

_MAY_CHANGE: Final = frozenset(("headers", "body"))
_MAX_DIGITS: Final = 18


def plugin_request_to_wire(ctx: Context, request: PluginRequest) -> pb.PluginRequest:
    """For ``ProcessPreAuth``."""
    message = pb.PluginRequest()
    put_request(message, ctx, request)
    return message


def put_request(message: pb.PluginRequest, ctx: Context, request: PluginRequest) -> None:
    """As ``plugin_request_to_wire``, into a request that is part of a message."""
    message.method = request.method
    message.path = text(request.path)
    message.query = text(request.query)
    message.body = request.body
    message.remote_addr = request.remote_addr
    put_context(message.context, ctx)
    put_headers(message, request.headers)


def plugin_request_from_wire(message: pb.PluginRequest) -> PluginRequest:
    """Its inverse."""
    return PluginRequest(*request_values(message))


def request_values(message: pb.PluginRequest) -> tuple[str, str, str, Headers, bytes, str]:
    """What every request has, in the order of ``PluginRequest``'s fields."""
    headers = unchecked_headers_from(message)
    return message.method, message.path, message.query, headers, message.body, message.remote_addr


def enriched_request_to_wire(ctx: Context, request: EnrichedRequest) -> pb.EnrichedRequest:
    """For ``ProcessPostAuth``."""
    message = pb.EnrichedRequest()
    put_request(message.request, ctx, request)
    message.user_id = text(request.user_id)
    message.app_id = "" if request.app_id is None else str(request.app_id)
    put_texts(message.auth_claims, request.auth_claims)
    message.authenticated = request.authenticated
    return message


def enriched_request_from_wire(message: pb.EnrichedRequest) -> EnrichedRequest:
    """Its inverse."""
    return EnrichedRequest(
        *request_values(message.request),
        app_id=app_id_of(message.app_id),
        user_id=message.user_id,
        auth_claims=dict(message.auth_claims),
        authenticated=message.authenticated,
    )


def app_id_of(value: str) -> int | None:
    """The protocol has ids as text; ``None`` for text that is no id: another app's it must not become."""
    if value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        return int(value) or None
    return None


def plugin_response_to_wire(answer: PluginResponse, request: PluginRequest) -> pb.PluginResponse:
    """A plugin's answer to ``request``. Raises ValueError for a whole changed request that goes elsewhere."""
    if answer.decision == "block":
        return blocking(answer)
    message = pb.PluginResponse(context_updates=answer.context_updates)
    if answer.decision == "modify":
        message.modified = True
        put_answer(message, *_changes(answer, request))
    return message


def blocking(answer: PluginResponse) -> pb.PluginResponse:
    """A block."""
    message = pb.PluginResponse(block=True, status_code=i32(answer.status_code), error_message=text(answer.message))
    put_answer(message, answer.headers, answer.body)
    return message


def _changes(answer: PluginResponse, request: PluginRequest) -> tuple[HeaderValues | None, bytes | None]:
    whole = answer.request
    if whole is None:
        return answer.headers, answer.body
    for name in request.__struct_fields__:
        own = getattr(request, name)
        if name not in _MAY_CHANGE and getattr(whole, name, own) != own:
            message = f"{name} of a request cannot be changed"
            raise ValueError(message)
    headers = whole.headers if answer.headers is None else answer.headers
    return headers, whole.body if answer.body is None else answer.body


def put_answer(message: Any, headers: HeaderValues | None, body: bytes | None) -> None:
    """The headers and the body of any answer. Raises ValueError for what can be no header."""
    if headers is not None:
        message.headers_are_all = True
        put_headers(message, Headers(headers))
    if body is None:
        message.body_meaning = BODY_UNCHANGED
    else:
        message.body_meaning = BODY_GIVEN
        message.body = raw(body)


def plugin_response_from_wire(message: pb.PluginResponse, request: PluginRequest) -> PluginResponse:
    """What it answered to ``request``; whoever applies it checks it, as every answer.

    A peer's headers replace and add, its body replaces where it is not empty; ours can remove and empty as well.
    """
    if message.block:
        return blocked(message)
    updates = dict(message.context_updates) or None
    if not message.modified:
        return PluginResponse.modify(context_updates=updates) if updates else PluginResponse.allow()
    body = message.body if message.body or message.body_meaning == BODY_GIVEN else None
    return PluginResponse.modify(headers=answered_headers(message, request.headers), body=body, context_updates=updates)


def blocked(message: pb.PluginResponse) -> PluginResponse:
    """A block; whoever applies it checks it."""
    status = message.status_code or DEFAULT_BLOCK_STATUS
    return PluginResponse.block(status, message.error_message, blocking_headers(message), blocking_body(message))


def answered_headers(message: Any, current: Headers) -> Headers | None:
    """All headers as an answer leaves them, unchecked; ``None`` where they stay."""
    return unchecked_headers_from(message) if message.headers_are_all else merged(current, message.headers)


def blocking_headers(message: Any) -> Headers | None:
    """The headers of an answer to the client, unchecked."""
    return unchecked_headers_from(message) if message.headers or message.headers_are_all else None


def blocking_body(message: Any) -> bytes | None:
    """The body of an answer to the client; ``None`` where the host is to make one from the message."""
    return bytes(message.body) if message.body or message.body_meaning == BODY_GIVEN else None
