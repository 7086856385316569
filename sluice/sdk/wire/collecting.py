"""Events for data collectors, and what those answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from sluice.clock import micros_of
from sluice.plugin_wire import plugin_pb2 as pb
from sluice.plugin_wire.extensions_pb2 import Event
from sluice.sdk.collecting import AnalyticsData, BudgetUsageData, DataCollectionResponse, ProxyLogData
from sluice.sdk.context import Context
from sluice.sdk.wire.context import context_to_wire, put_user_id
from sluice.sdk.wire.values import NANOS, at, at_seconds, i32, i64, nanos_of, seconds, text, texts, u32

AnyEvent: TypeAlias = ProxyLogData | AnalyticsData | BudgetUsageData

_COPIED: Final = ("request_body", "response_body")
"""Large, and in the message already: not sent twice."""


def proxy_log_to_wire(ctx: Context, event: ProxyLogData) -> pb.ProxyLogRequest:
    """For ``HandleProxyLog``."""
    return pb.ProxyLogRequest(
        app_id=u32(event.app_id),
        user_id=u32(event.user_id),
        vendor=text(event.vendor),
        request_body=event.request_body,
        response_body=event.response_body,
        response_code=i32(event.response_code),
        timestamp=seconds(micros_of(event.occurred_at)),
        request_id=text(event.request_id),
        context=_context(ctx, event),
        event=_event(event),
    )


def proxy_log_from_wire(message: pb.ProxyLogRequest) -> ProxyLogData:
    """Its inverse."""
    return ProxyLogData(
        **_shared(message),
        request_body=message.request_body,
        response_body=message.response_body,
        response_code=message.response_code,
    )


def analytics_to_wire(ctx: Context, event: AnalyticsData) -> pb.AnalyticsRequest:
    """For ``HandleAnalytics``; the cost in currency units too, which peers read."""
    return pb.AnalyticsRequest(
        llm_id=u32(event.llm_id),
        model_name=text(event.model_name),
        vendor=text(event.vendor),
        prompt_tokens=i32(event.prompt_tokens),
        response_tokens=i32(event.response_tokens),
        cache_write_prompt_tokens=i32(event.cache_write_prompt_tokens),
        cache_read_prompt_tokens=i32(event.cache_read_prompt_tokens),
        total_tokens=i32(event.total_tokens),
        cost=event.cost_nanos / NANOS,
        currency=text(event.currency),
        app_id=u32(event.app_id),
        user_id=u32(event.user_id),
        timestamp=seconds(micros_of(event.occurred_at)),
        tool_calls=i32(event.tool_calls),
        choices=i32(event.choices),
        request_id=text(event.request_id),
        context=_context(ctx, event),
        event=_event(event),
        cost_nanos=i64(event.cost_nanos),
    )


def analytics_from_wire(message: pb.AnalyticsRequest) -> AnalyticsData:
    """Its inverse."""
    return AnalyticsData(
        **_shared(message),
        model_name=message.model_name,
        prompt_tokens=message.prompt_tokens,
        response_tokens=message.response_tokens,
        cache_write_prompt_tokens=message.cache_write_prompt_tokens,
        cache_read_prompt_tokens=message.cache_read_prompt_tokens,
        total_tokens=message.total_tokens,
        cost_nanos=_cost(message),
        currency=message.currency,
        tool_calls=message.tool_calls,
        choices=message.choices,
    )


def budget_to_wire(ctx: Context, event: BudgetUsageData) -> pb.BudgetUsageRequest:
    """For ``HandleBudgetUsage``; the cost in currency units too, which peers read."""
    return pb.BudgetUsageRequest(
        app_id=u32(event.app_id),
        llm_id=u32(event.llm_id),
        tokens_used=i64(event.tokens_used),
        cost=event.cost_nanos / NANOS,
        requests_count=i32(event.requests_count),
        prompt_tokens=i64(event.prompt_tokens),
        completion_tokens=i64(event.completion_tokens),
        period_start=seconds(micros_of(event.period_start)),
        period_end=seconds(micros_of(event.period_end)),
        timestamp=seconds(micros_of(event.occurred_at)),
        request_id=text(event.request_id),
        context=_context(ctx, event),
        event=_event(event),
        cost_nanos=i64(event.cost_nanos),
        period_start_micros=micros_of(event.period_start),
        period_end_micros=micros_of(event.period_end),
    )


def budget_from_wire(message: pb.BudgetUsageRequest) -> BudgetUsageData:
    """Its inverse."""
    start, end = message.period_start_micros, message.period_end_micros
    return BudgetUsageData(
        **_shared(message),
        tokens_used=message.tokens_used,
        cost_nanos=_cost(message),
        requests_count=message.requests_count,
        prompt_tokens=message.prompt_tokens,
        completion_tokens=message.completion_tokens,
        period_start=at(start) if start else at_seconds(message.period_start),
        period_end=at(end) if end else at_seconds(message.period_end),
    )


def collection_to_wire(answer: DataCollectionResponse | None) -> pb.DataCollectionResponse:
    """A plugin's answer; none acknowledges."""
    if answer is None:
        return pb.DataCollectionResponse(success=True, handled=True)
    return pb.DataCollectionResponse(
        success=answer.success,
        handled=answer.handled,
        error_message=text(answer.message),
        metadata=texts(answer.metadata),
    )


def collection_from_wire(message: pb.DataCollectionResponse) -> DataCollectionResponse:
    """Its inverse."""
    return DataCollectionResponse(message.success, message.handled, message.error_message, dict(message.metadata))


def _context(ctx: Context, event: AnyEvent) -> pb.PluginContext:
    """A collector's context knows of no exchange: the event does."""
    message = context_to_wire(ctx)
    message.request_id = message.request_id or text(event.request_id)
    message.exchange_id = message.exchange_id or event.exchange_id
    message.app_id = message.app_id or u32(event.app_id)
    if not (message.user_id or message.whole_user_id):
        put_user_id(message, event.user_id)
    message.llm_id = message.llm_id or u32(event.llm_id)
    message.llm_slug = message.llm_slug or text(event.llm_slug)
    message.vendor = message.vendor or text(event.vendor)
    return message


def _event(event: AnyEvent) -> Event:
    fields, copied = _own_fields(event)
    return Event(
        event_id=event.event_id,
        exchange_id=event.exchange_id,
        occurred_at_micros=micros_of(event.occurred_at),
        app_id=i64(event.app_id),
        user_id=i64(event.user_id),
        llm_id=i64(event.llm_id),
        llm_slug=text(event.llm_slug),
        vendor=text(event.vendor),
        outcome=text(event.outcome),
        fields_msgpack=msgspec.msgpack.encode(fields) if fields else b"",
        copied=copied,
    )


def _own_fields(event: AnyEvent) -> tuple[Mapping[str, Any], list[str]]:
    if not isinstance(event, ProxyLogData):
        return event.fields, []
    fields = event.fields
    copied = [name for name in _COPIED if isinstance(fields.get(name), bytes) and fields[name] == getattr(event, name)]
    return {name: value for name, value in fields.items() if name not in copied}, copied


def _shared(message: Any) -> dict[str, Any]:
    """What every event has; from the protocol's own fields where ours are not there."""
    event: Event = message.event
    ours = message.HasField("event")
    sources = (event,) if ours else (message, message.context)
    return {
        "event_id": event.event_id,
        "exchange_id": event.exchange_id,
        "request_id": message.request_id,
        "occurred_at": at(event.occurred_at_micros) if ours else at_seconds(message.timestamp),
        "app_id": _first(sources, "app_id", 0),
        "user_id": _first(sources, "user_id", 0),
        "llm_id": _first(sources, "llm_id", 0),
        "llm_slug": _first(sources, "llm_slug", ""),
        "vendor": _first(sources, "vendor", ""),
        "outcome": event.outcome,
        "fields": _fields(message, event),
    }


def _first(sources: Sequence[Any], field: str, default: Any) -> Any:
    """Not every message of the protocol has every field; its context has most."""
    return next((value for source in sources if (value := getattr(source, field, default))), default)


def _fields(message: Any, event: Event) -> dict[str, Any]:
    fields = msgspec.msgpack.decode(event.fields_msgpack, type=dict[str, Any]) if event.fields_msgpack else {}
    return {**fields, **{name: getattr(message, name) for name in event.copied if name in _COPIED}}


def _cost(message: Any) -> int:
    return int(message.cost_nanos) if message.HasField("cost_nanos") else nanos_of(message.cost) or 0
