"""Rows to the events that plugins are given one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from schemas.events import Kind
from sluice.clock import at_micros
from sluice.sdk.collecting import AnalyticsData, BudgetUsageData, ProxyLogData
from sluice.sdk.context import ExchangeFacts

Event = ProxyLogData | AnalyticsData | BudgetUsageData


def event_of(kind: Kind, rows: pl.DataFrame, at: int) -> Event:
    """The event of one row. Its ``fields`` are as the log has them: times are micros of the epoch."""
    return _MAKE[kind](rows.row(at, named=True))


def facts_of(event: Event) -> ExchangeFacts:
    """What a context tells of the event's exchange."""
    return ExchangeFacts(
        request_id=event.request_id,
        exchange_id=event.exchange_id,
        app_id=event.app_id or None,
        user_id=event.user_id or None,
        llm_id=event.llm_id or None,
        llm_slug=event.llm_slug,
        vendor=event.vendor,
    )


def _common(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "event_id": row["event_id"],
        "exchange_id": row["exchange_id"],
        "request_id": row["request_id"],
        "occurred_at": at_micros(row["occurred_at"]),
        "app_id": row["app_id"] or 0,
        "user_id": row["user_id"] or 0,
        "llm_id": row["llm_id"] or 0,
        "llm_slug": row["llm_slug"],
        "vendor": row["vendor"],
        "outcome": row["outcome"],
        "fields": row,
    }


def _proxy_log(row: Mapping[str, Any]) -> ProxyLogData:
    return ProxyLogData(
        **_common(row),
        request_body=row["request_body"] or b"",
        response_body=row["response_body"] or b"",
        response_code=row["response_code"] or 0,
    )


def _analytics(row: Mapping[str, Any]) -> AnalyticsData:
    return AnalyticsData(
        **_common(row),
        model_name=row["model_name"] or "",
        prompt_tokens=row["prompt_tokens"] or 0,
        response_tokens=row["response_tokens"] or 0,
        cache_write_prompt_tokens=row["cache_write_prompt_tokens"] or 0,
        cache_read_prompt_tokens=row["cache_read_prompt_tokens"] or 0,
        total_tokens=row["total_tokens"] or 0,
        cost_nanos=row["cost_nanos"] or 0,
        currency=row["currency"],
        tool_calls=row["tool_calls"] or 0,
        choices=row["choices"] or 0,
    )


def _budget(row: Mapping[str, Any]) -> BudgetUsageData:
    """The period is that of the first budget it was charged to; where there was none, the moment itself."""
    charges = row["charges"] or ({"period_start": row["occurred_at"], "period_end": row["occurred_at"]},)
    return BudgetUsageData(
        **_common(row),
        tokens_used=row["tokens_used"] or 0,
        cost_nanos=row["cost_nanos"] or 0,
        requests_count=row["requests_count"] or 0,
        prompt_tokens=row["prompt_tokens"] or 0,
        completion_tokens=row["completion_tokens"] or 0,
        period_start=at_micros(charges[0]["period_start"]),
        period_end=at_micros(charges[0]["period_end"]),
    )


_MAKE: dict[Kind, Callable[[Mapping[str, Any]], Event]] = {
    "proxy_log": _proxy_log,
    "analytics": _analytics,
    "budget": _budget,
}
