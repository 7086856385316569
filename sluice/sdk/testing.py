"""For plugin authors' tests: contexts, messages and events without a gateway, and services that remember.

ctx = make_context(app_id=7)
plugin = make_plugin(PromptSizeLimit, max_body_bytes=10)
answer = await plugin.handle_post_auth(ctx, make_request(body=b"too large a prompt"))
assert answer.decision == "block"
assert ctx.services.logger.entries[0].event == "prompt refused"
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from sluice.sdk.capabilities import ResponseHandler
from sluice.sdk.collecting import AnalyticsData, BudgetUsageData, ProxyLogData
from sluice.sdk.context import Context, ExchangeFacts, Runtime
from sluice.sdk.endpoints import EndpointRequest
from sluice.sdk.fake_gateway import Known, SentPayload
from sluice.sdk.fakes import LogEntry, ManualClock, RecordingServices
from sluice.sdk.headers import Headers, HeaderValues
from sluice.sdk.messages import (
    AuthRequest,
    EdgePayload,
    EnrichedRequest,
    ResponseWriteRequest,
    ResponseWriteResponse,
    StreamCompleteRequest,
)
from sluice.sdk.plugin import BasePlugin, read_config

__all__ = [
    "Known",
    "LogEntry",
    "ManualClock",
    "RecordingContext",
    "RecordingServices",
    "SentPayload",
    "StreamRun",
    "make_analytics",
    "make_auth_request",
    "make_budget_usage",
    "make_context",
    "make_edge_payload",
    "make_endpoint_request",
    "make_frames",
    "make_plugin",
    "make_proxy_log",
    "make_request",
    "make_response",
    "make_stream_complete",
    "run_stream",
    "start_plugin",
]

PluginT = TypeVar("PluginT", bound=BasePlugin[Any])

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_JSON = {"content-type": "application/json"}


class RecordingContext(Context):
    """A context whose services remember."""

    __slots__ = ("_recording",)

    def __init__(self, facts: ExchangeFacts, services: RecordingServices, plugin: str = "test") -> None:
        self._recording = services
        super().__init__(facts, services, services.runtime, plugin)

    @property
    def services(self) -> RecordingServices:
        """The services handed to the plugin, to look at afterwards."""
        return self._recording


def make_context(
    *, runtime: Runtime | None = None, services: RecordingServices | None = None, **facts: Any
) -> RecordingContext:
    """A context of an exchange; ``facts`` are those of ``ExchangeFacts``, with sensible ones where not given.

    One context is one exchange: use it for all hooks of that exchange, so that they share ``ctx.state``. ``services``
    are for what several exchanges share, whatever their runtimes.
    """
    services = services or RecordingServices()
    if runtime is not None:
        services = services.beside(runtime)
    defaults = {"request_id": "request-1", "exchange_id": "01900000-0000-7000-8000-000000000001", "llm_id": 1}
    return RecordingContext(
        ExchangeFacts(**{**defaults, "llm_slug": "demo", "vendor": "openai", "edge_id": "edge-1", **facts}), services
    )


def make_plugin(plugin: type[PluginT], /, **config: Any) -> PluginT:
    """A plugin with its configuration validated and set, as the host would; ``initialize`` is yours to await."""
    made = plugin()
    made.config = read_config(plugin, config)
    return made


async def start_plugin(plugin: type[PluginT], ctx: Context, /, **config: Any) -> PluginT:
    """``make_plugin``, and ``initialize`` and ``on_session_ready`` called, as the host does."""
    made = make_plugin(plugin, **config)
    await made.initialize(ctx, made.config)
    ready = getattr(made, "on_session_ready", None)
    if ready is not None:
        await ready(ctx)
    return made


def make_request(
    body: bytes = b'{"model":"gpt-4o","messages":[]}',
    *,
    method: str = "POST",
    path: str = "/chat/completions",
    query: str = "",
    headers: HeaderValues | None = None,
    app_id: int | None = 1,
    user_id: str = "",
    claims: Mapping[str, str] | None = None,
) -> EnrichedRequest:
    """A request; good for ``handle_pre_auth`` too."""
    lines = Headers(_JSON if headers is None else headers)
    return EnrichedRequest(
        method, path, query, lines, body, "192.0.2.1", app_id, user_id, claims or {}, app_id is not None
    )


def make_auth_request(
    credential: str = "", *, auth_type: str = "bearer", headers: HeaderValues | None = None, body: bytes = b"{}"
) -> AuthRequest:
    """A request for ``handle_auth``; a bearer credential stands in its ``authorization`` too, unless there are
    ``headers``."""
    if headers is None:
        headers = {**_JSON, "authorization": f"Bearer {credential}"} if credential else _JSON
    known = auth_type if credential else ""
    return AuthRequest("POST", "/chat/completions", "", Headers(headers), body, "192.0.2.1", credential, known)


def make_response(
    body: bytes = b"{}", *, status_code: int = 200, headers: HeaderValues | None = None
) -> ResponseWriteRequest:
    """A vendor's answer."""
    return ResponseWriteRequest(
        status_code, Headers(_JSON if headers is None else headers), body, request_id="request-1"
    )


def make_stream_complete(
    body: bytes,
    *,
    request_body: bytes = b"{}",
    status_code: int = 200,
    headers: HeaderValues | None = None,
    chunk_count: int = 1,
    is_whole: bool = True,
) -> StreamCompleteRequest:
    """A stream that has ended."""
    lines = Headers({"content-type": "text/event-stream"} if headers is None else headers)
    return StreamCompleteRequest(body, lines, status_code, chunk_count, request_body, is_whole)


def make_frames(texts: Iterable[str], vendor: str = "openai") -> list[bytes]:
    """SSE frames as a vendor streams these pieces of text, its last ones included; ``openai`` or ``anthropic``."""
    if vendor == "anthropic":
        events: list[dict[str, Any]] = [{"type": "content_block_start", "index": 0}]
        events += [
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts
        ]
        events += [{"type": "content_block_stop", "index": 0}, {"type": "message_stop"}]
        return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    chunks: list[dict[str, Any]] = [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in texts]
    chunks.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    frames = [f"data: {json.dumps({'id': 'chatcmpl-1', 'choices': [chunk]})}\n\n".encode() for chunk in chunks]
    return [*frames, b"data: [DONE]\n\n"]


@dataclass(slots=True)
class StreamRun:
    """What became of a stream: what the client got, and what ended it early, if anything did."""

    pieces: list[bytes] = field(default_factory=list)
    blocked: ResponseWriteResponse | None = None

    @property
    def body(self) -> bytes:
        """All that the client got."""
        return b"".join(self.pieces)


async def run_stream(
    plugin: ResponseHandler, frames: Sequence[bytes], ctx: Context | None = None, *, headers: HeaderValues | None = None
) -> StreamRun:
    """Give a plugin with ``handles_chunks`` a stream, a piece for each of ``frames``, and then its end."""
    ctx = ctx or make_context()
    run = StreamRun()
    lines = Headers({"content-type": "text/event-stream"} if headers is None else headers)
    for number, piece in enumerate([*frames, b""]):
        request = ResponseWriteRequest(200, lines, piece, True, number == len(frames), "request-1")
        answer = await plugin.on_before_write(ctx, request)
        if answer.decision == "block":
            run.blocked = answer
            return run
        run.pieces.append(piece if answer.body is None else bytes(answer.body))
    return run


def make_proxy_log(**fields: Any) -> ProxyLogData:
    """A proxy log for ``handle_proxy_log``."""
    defaults = {"request_body": b"{}", "response_body": b"{}", "response_code": 200}
    return ProxyLogData(**{**_event(), **defaults, **fields})


def make_analytics(**fields: Any) -> AnalyticsData:
    """An analytics event for ``handle_analytics``."""
    defaults = {"model_name": "gpt-4o", "prompt_tokens": 10, "response_tokens": 5, "total_tokens": 15}
    return AnalyticsData(**{**_event(), **defaults, "cost_nanos": 1_500_000, **fields})


def make_budget_usage(**fields: Any) -> BudgetUsageData:
    """A budget event for ``handle_budget_usage``."""
    period = {"period_start": datetime(2026, 1, 1, tzinfo=UTC), "period_end": datetime(2026, 2, 1, tzinfo=UTC)}
    return BudgetUsageData(**{**_event(), **period, "tokens_used": 15, "cost_nanos": 1_500_000, **fields})


def make_edge_payload(payload: bytes = b"{}", **fields: Any) -> EdgePayload:
    """A payload for ``accept_edge_payload``."""
    return EdgePayload(payload, **{"edge_id": "edge-1", "payload_id": "payload-1", **fields})


def make_endpoint_request(
    path: str = "/", *, slug: str = "test", headers: HeaderValues | None = None, **fields: Any
) -> EndpointRequest:
    """A call of an endpoint, ``path`` below its slug; ``fields`` are those of ``EndpointRequest``."""
    defaults = {
        "method": "GET",
        "path": f"/plugins/{slug}{path}",
        "relative_path": path,
        "path_segments": tuple(segment for segment in path.split("/") if segment),
        "remote_addr": "192.0.2.1",
        "host": "gateway.example",
        "headers": Headers(headers or {}),
    }
    return EndpointRequest(**{**defaults, **fields})


def _event() -> dict[str, Any]:
    return {
        "event_id": "01900000-0000-7000-8000-000000000002",
        "exchange_id": "01900000-0000-7000-8000-000000000001",
        "request_id": "request-1",
        "occurred_at": _NOON,
        "app_id": 1,
        "llm_id": 1,
        "llm_slug": "demo",
        "vendor": "openai",
        "outcome": "ok",
    }
