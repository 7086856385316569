"""Messages such as a gateway sends, for hooks that are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sluice.plugin_host.running import EventType
from sluice.sdk.capabilities import Hook
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.headers import Headers
from sluice.sdk.messages import (
    AuthRequest,
    EnrichedRequest,
    PluginRequest,
    ResponseWriteRequest,
    StreamCompleteRequest,
)
from sluice.sdk.testing import make_analytics, make_budget_usage, make_proxy_log

_REQUEST_HEADERS = Headers({"content-type": "application/json", "authorization": "Bearer sample"})
_RESPONSE_HEADERS = Headers({"content-type": "application/json"})
_STREAM_HEADERS = Headers({"content-type": "text/event-stream"})
_QUESTION = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"What is the capital of France?"}]}'
_ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","model":"gpt-4o-mini","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Paris."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":14,"completion_tokens":2,"total_tokens":16}}'
)
_STREAM = b'data: {"choices":[{"index":0,"delta":{"content":"Paris."}}]}\n\ndata: [DONE]\n\n'


def sample_facts(hook: Hook) -> ExchangeFacts:
    """Of an exchange that has come as far as this hook."""
    is_known = hook not in {"pre_auth", "auth"}
    return ExchangeFacts(
        request_id="sample",
        exchange_id="01900000-0000-7000-8000-000000000001",
        app_id=1 if is_known else None,
        user_id=1 if is_known else None,
        llm_id=1,
        llm_slug="sample",
        vendor="openai",
        edge_id="gateway-1",
    )


def sample_message(hook: Hook) -> Any:
    """What the hook is given."""
    return _MESSAGES[hook]


def sample_stream() -> Sequence[Any]:
    """What a body hook is given that takes streams piece by piece: one, and the end."""
    return _PIECES


def sample_event(kind: EventType) -> Any:
    """What a collector is given."""
    return _EVENTS[kind]()


_HEAD = ("POST", "/chat/completions", "", _REQUEST_HEADERS, _QUESTION, "192.0.2.1")
_MESSAGES: dict[Hook, Any] = {
    "pre_auth": PluginRequest(*_HEAD),
    "auth": AuthRequest(*_HEAD, credential="sample", auth_type="bearer"),
    "post_auth": EnrichedRequest(*_HEAD, app_id=1, user_id="1", authenticated=True),
    "response_headers": ResponseWriteRequest(200, _RESPONSE_HEADERS, request_id="sample"),
    "response_body": ResponseWriteRequest(200, _RESPONSE_HEADERS, _ANSWER, request_id="sample"),
    "stream_complete": StreamCompleteRequest(_STREAM, _STREAM_HEADERS, 200, 2, _QUESTION),
}
_PIECES = [
    ResponseWriteRequest(200, _STREAM_HEADERS, _STREAM, is_stream_chunk=True, request_id="sample"),
    ResponseWriteRequest(200, _STREAM_HEADERS, is_stream_chunk=True, is_last_chunk=True, request_id="sample"),
]
_EVENTS: Mapping[EventType, Callable[[], Any]] = {
    "proxy_log": make_proxy_log,
    "analytics": make_analytics,
    "budget": make_budget_usage,
}
