"""From an exchange of the past to its events: which of the three exist, and what is in them, is as the gateway does it.

Prices are those of the table that held then, costs are computed from them.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.codec import EncodedEvent, encode_exchange
from schemas.events import AnalyticsFields, Attempt, BudgetFields, Charge, Common, Micros, PluginTiming, ProxyLogFields
from sluice.dev.demo.files import HISTORY_LABEL
from sluice.dev.demo.history.bodies import (
    JSON_TYPE,
    REFUSALS,
    STREAM_TYPE,
    VENDOR_FAILURE_STATUS,
    chunk_count,
    raw_usage,
    request_body,
    response_body,
)
from sluice.dev.demo.history.happening import FAILED, REFUSED, Happened
from sluice.eventlog.interface import Boot
from sluice.money.cost import cost_nanos, worst_nanos
from sluice.money.periods import period_at
from sluice.money.prices import Price, PriceTable
from sluice.money.usage import Usage

_RESERVED_RESPONSE_TOKENS = 4096
_OK = 200


@dataclass(frozen=True, slots=True)
class Recorded:
    """One exchange as it goes into the journal, and what the gateway's report counts of it."""

    events: list[EncodedEvent]
    request_bytes: int
    response_bytes: int
    cost_nanos: int


@dataclass(slots=True)
class Past:
    """Builds and encodes the events of one boot's exchanges."""

    boot: Boot
    prices: PriceTable

    def record(self, each: Happened) -> Recorded:
        """Its events, in the order of the journal."""
        price = self.prices.find(each.model.llm.vendor, each.model.name, each.at)
        cost = _cost(each, price)
        proxy_log = _proxy_log(each)
        analytics = None if each.outcome == "auth_failed" else _analytics(each, price, cost)
        budget = _budget(each, price, cost) if cost else None
        events = encode_exchange(self._common(each), proxy_log, analytics, budget)
        return Recorded(events, proxy_log["request_body_bytes"], proxy_log["response_body_bytes"], cost or 0)

    def _common(self, each: Happened) -> Common:
        is_known = each.outcome != "auth_failed"
        return {
            "exchange_id": each.exchange_id,
            "request_id": each.exchange_id,
            "occurred_at": Micros(each.at),
            "completed_at": Micros(each.at + each.total_micros),
            "gateway_id": self.boot.gateway_id,
            "worker": self.boot.worker,
            "boot_id": self.boot.boot_id,
            "app_id": each.team.id if is_known else None,
            "user_id": each.team.id if is_known else None,
            "llm_id": each.model.llm.id,
            "llm_slug": each.model.llm.slug,
            "vendor": each.model.llm.vendor,
            "outcome": each.outcome,
            "trace_id": "",
            "labels": [HISTORY_LABEL],
        }


def _has_usage(each: Happened) -> bool:
    return each.outcome not in REFUSED and each.outcome not in FAILED


def _cost(each: Happened, price: Price | None) -> int | None:
    """Nothing where no vendor was asked, or nobody knows the price; a vendor's error is free."""
    if price is None or each.outcome in REFUSED or _upstream_status(each) is None:
        return None
    return cost_nanos(price, _usage(each)) if _has_usage(each) else 0


def _usage(each: Happened) -> Usage:
    return Usage(
        prompt_tokens=each.prompt_tokens,
        response_tokens=each.response_tokens,
        cache_read_prompt_tokens=each.cached_tokens,
        reasoning_tokens=each.reasoning_tokens,
    )


def _status(each: Happened) -> int:
    refusal = REFUSALS.get(each.outcome)
    return refusal.status if refusal else VENDOR_FAILURE_STATUS if each.outcome == "upstream_error" else _OK


def _upstream_status(each: Happened) -> int | None:
    return None if each.outcome in REFUSALS else _status(each)


def _upstream_micros(each: Happened) -> int | None:
    return None if _upstream_status(each) is None else each.total_micros - each.gateway_micros


def _first_byte(each: Happened) -> int | None:
    return None if _upstream_status(each) is None else each.first_byte_micros


def _proxy_log(each: Happened) -> ProxyLogFields:
    request, response, refusal = request_body(each), response_body(each), REFUSALS.get(each.outcome)
    is_known, is_stream = each.outcome != "auth_failed", each.is_stream and _has_usage(each)
    return {
        "method": "POST",
        "path": "/v1/chat/completions",
        "model_name": each.model.name if is_known else None,
        "is_stream": each.is_stream,
        "response_code": _status(each),
        "upstream_status": _upstream_status(each),
        "request_headers": ["content-type: application/json", "authorization: Bearer ***"],
        "response_headers": [f"x-sluice-exchange-id: {each.exchange_id}"],
        "request_body": request if is_known else None,
        "request_body_bytes": len(request),
        "request_body_truncated": not is_known,
        "request_content_type": JSON_TYPE,
        "response_body": response if is_known else None,
        "response_body_bytes": len(response),
        "response_body_truncated": not is_known,
        "response_content_type": STREAM_TYPE if is_stream else JSON_TYPE,
        "chunk_count": chunk_count(each) if _upstream_status(each) else 0,
        "error_kind": refusal.error_kind if refusal else "",
        "error_message": refusal.message if refusal else "",
        "remote_addr": f"10.0.{each.team.id}.{each.at % 200 + 1}",
        "total_micros": each.total_micros,
        "upstream_micros": _upstream_micros(each),
        "first_byte_micros": _first_byte(each),
        "plugins": _plugins(each),
        "partial": each.outcome == "client_closed",
    }


def _plugins(each: Happened) -> list[PluginTiming]:
    """A part of what the gateway took for itself."""
    if each.outcome == "auth_failed":
        return []
    blocks = each.outcome == "blocked_post_auth"
    firewall: PluginTiming = {
        "plugin": "firewall",
        "hook": "post_auth",
        "micros": each.gateway_micros // 9,
        "decision": "block" if blocks else "allow",
    }
    limit: PluginTiming = {
        "plugin": "prompt_size_limit",
        "hook": "post_auth",
        "micros": each.gateway_micros // 200,
        "decision": "allow",
    }
    return [firewall] if blocks else [firewall, limit]


def _analytics(each: Happened, price: Price | None, cost: int | None) -> AnalyticsFields:
    has_usage = _has_usage(each)
    return {
        "model_name": each.model.name,
        "prompt_tokens": each.prompt_tokens if has_usage else None,
        "response_tokens": each.response_tokens if has_usage else None,
        "cache_write_prompt_tokens": 0 if has_usage and each.model.llm.vendor == "anthropic" else None,
        "cache_read_prompt_tokens": each.cached_tokens if has_usage else None,
        "reasoning_tokens": each.reasoning_tokens if has_usage else None,
        "total_tokens": each.prompt_tokens + each.response_tokens if has_usage else None,
        "raw_usage": raw_usage(each) if has_usage else None,
        "cost_nanos": cost,
        "currency": price.currency if price else "USD",
        "price_id": price.id if price else "",
        "price_version": price.version if price else "",
        "cost_status": "exact" if cost is not None else "unpriced" if has_usage else "",
        "tool_calls": each.tool_calls if has_usage else 0,
        "choices": 1 if has_usage else 0,
        "response_code": _status(each),
        "is_stream": each.is_stream,
        "partial": each.outcome == "client_closed",
        "total_micros": each.total_micros,
        "upstream_micros": _upstream_micros(each),
        "first_byte_micros": _first_byte(each),
        "attempts": [] if each.outcome in REFUSED else [_attempt(each)],
    }


def _attempt(each: Happened) -> Attempt:
    status, refusal = _upstream_status(each), REFUSALS.get(each.outcome)
    return {
        "llm_id": each.model.llm.id,
        "llm_slug": each.model.llm.slug,
        "status": status,
        "error_kind": refusal.error_kind if refusal else "",
        "may_be_billed": status is not None or each.outcome == "upstream_timeout",
        "micros": each.total_micros - each.gateway_micros,
    }


def _budget(each: Happened, price: Price | None, cost: int) -> BudgetFields:
    reserved = 0 if price is None else worst_nanos(price, each.prompt_tokens, _RESERVED_RESPONSE_TOKENS)
    return {
        "kind": "usage",
        "corrects": None,
        "model_name": each.model.name,
        "tokens_used": each.prompt_tokens + each.response_tokens,
        "prompt_tokens": each.prompt_tokens,
        "completion_tokens": each.response_tokens,
        "cost_nanos": cost,
        "currency": price.currency if price else "USD",
        "price_version": price.version if price else "",
        "requests_count": 1,
        "reserved_nanos": reserved,
        "charges": _charges(each),
    }


def _charges(each: Happened) -> list[Charge]:
    """To the app, the LLM, and the app on the LLM, in the month of its admission, which for the demo's begin alike."""
    period, app, llm = period_at(each.at, 1, "UTC"), str(each.team.id), str(each.model.llm.id)
    return [
        {
            "scope": scope,
            "scope_id": scope_id,
            "period_id": period.id,
            "period_start": Micros(period.start),
            "period_end": Micros(period.end),
        }
        for scope, scope_id in (("app", app), ("llm", llm), ("app_llm", f"{app}:{llm}"))
    ]
