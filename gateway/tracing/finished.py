"""What is kept of a traced exchange until its spans are made: facts and times, never a body, a header or a query."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.exchange import Exchange
    from gateway.tracing.trace import Trace
    from schemas.events import Attempt, PluginTiming

MAX_PARTS = 64
"""Timings of plugins, and as many attempts, of one exchange: beyond it they are counted."""
MAX_TEXT = 256
"""Characters of what a client or a vendor may choose."""
_TAIL_BYTES = 4_096
"""Of an answer's end, in which its reason stands in every dialect."""
_TAIL_PIECES = 16
_MAX_REASONS = 8
_REASON = re.compile(
    rb'"(?:finish_?[rR]eason|stop_?[rR]eason|done_reason)"\s*:\s*"'
    rb"(stop|length|tool_calls|content_filter|function_call|end_turn|max_tokens|stop_sequence|tool_use|pause_turn"
    rb"|refusal|guardrail_intervened|content_filtered|STOP|MAX_TOKENS|SAFETY|RECITATION|BLOCKLIST"
    rb'|PROHIBITED_CONTENT|SPII|MALFORMED_FUNCTION_CALL|OTHER)"'
)
"""A closed list: what stands there is a vendor's word, and never a piece of an answer."""


class Finished(msgspec.Struct):
    """One exchange that is over. Times are monotonic nanoseconds (0 is never), but ``occurred_at``."""

    trace: Trace
    exchange_id: str
    request_id: str
    occurred_at: int
    started_ns: int
    ended_ns: int
    upstream_started_ns: int
    first_byte_ns: int
    method: str
    intent: str
    """Of the route; ``plugin`` for the endpoints of plugins."""
    path: str
    outcome: str
    error_kind: str
    status: int | None
    vendor: str
    """Of the LLM that was asked."""
    served_vendor: str
    """Of ``served_by``."""
    llm_id: int | None
    llm_slug: str
    served_by: str
    app_id: int | None
    model: str
    response_model: str
    max_tokens: int | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    finish_reasons: tuple[str, ...]
    cost_nanos: int | None
    cost_status: str
    is_stream: bool
    partial: bool
    request_bytes: int
    response_bytes: int
    timings: Sequence[PluginTiming]
    timing_starts_ns: Sequence[int]
    attempts: Sequence[Attempt]
    attempt_starts_ns: Sequence[int]
    dropped: int = 0


def finish(exchange: Exchange, trace: Trace) -> Finished:
    """Called behind the last byte; ``trace`` is the exchange's own."""
    llm, usage, served_by = exchange.llm, exchange.usage, exchange.served_by
    timings, attempts = exchange.timings, exchange.attempts
    return Finished(
        trace=trace,
        exchange_id=exchange.exchange_id,
        request_id=exchange.request_id,
        occurred_at=exchange.occurred_at,
        started_ns=exchange.started_ns,
        ended_ns=time.monotonic_ns(),
        upstream_started_ns=exchange.upstream_started_ns,
        first_byte_ns=exchange.first_byte_ns,
        method=exchange.method,
        intent=_intent(exchange),
        path=exchange.path[-MAX_TEXT:],
        outcome=exchange.outcome or "gateway_error",
        error_kind=exchange.error_kind,
        status=exchange.response_code,
        vendor=llm.vendor if llm else "",
        served_vendor=served_by.vendor if served_by else "",
        llm_id=llm.id if llm else None,
        llm_slug=llm.slug if llm else "",
        served_by=served_by.slug if served_by else "",
        app_id=exchange.app.id if exchange.app else None,
        model=(exchange.model or "")[:MAX_TEXT],
        response_model=(exchange.response_model or "")[:MAX_TEXT],
        max_tokens=exchange.max_response_tokens,
        input_tokens=usage.prompt_tokens if usage else None,
        output_tokens=usage.response_tokens if usage else None,
        cached_tokens=usage.cache_read_prompt_tokens if usage else None,
        finish_reasons=reasons_in(exchange.response_copy),
        cost_nanos=exchange.cost_nanos,
        cost_status=exchange.cost_status,
        is_stream=exchange.is_stream,
        partial=exchange.partial,
        request_bytes=len(exchange.body),
        response_bytes=exchange.response_bytes,
        timings=timings[:MAX_PARTS],
        timing_starts_ns=getattr(timings, "starts_ns", ())[:MAX_PARTS],
        attempts=attempts[:MAX_PARTS],
        attempt_starts_ns=getattr(attempts, "starts_ns", ())[:MAX_PARTS],
        dropped=max(0, len(timings) - MAX_PARTS) + max(0, len(attempts) - MAX_PARTS),
    )


def _intent(exchange: Exchange) -> str:
    is_endpoint = not exchange.route.slug and exchange.path.startswith("/plugins/")
    return "plugin" if is_endpoint else exchange.route.intent


def reasons_in(copy: list[bytes]) -> tuple[str, ...]:
    """Why an answer ended, each reason once, as the end of what was kept of it says."""
    if not copy:
        return ()
    tail = copy[-1] if len(copy) == 1 else b"".join(copy[-_TAIL_PIECES:])
    found = dict.fromkeys(_REASON.findall(tail[-_TAIL_BYTES:]))
    return tuple(reason.decode("ascii") for reason in found)[:_MAX_REASONS]
