"""What a kill left behind: in-flight slots whose exchanges are not in the journal become ``interrupted`` events.

Whoever next opens a worker's directory does this, under the dead boot's ids and its next sequence numbers, so that
no sequence is missing and none is given twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.recording.events import charges
from gateway.recording.inflight import FILE_NAME, InFlight, InFlightFile
from gateway.recording.reports import closing_report
from gateway.usage import estimate_tokens
from schemas.codec import EncodedEvent, encode_exchange
from schemas.events import AnalyticsFields, BudgetFields, Common, Micros, ProxyLogFields
from schemas.ids import exchange_id_of
from sluice.clock import now_micros
from sluice.money.cost import cost_nanos
from sluice.money.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from schemas.topics import Topics
    from sluice.eventlog.interface import Boot
    from sluice.eventlog.journal.journal import Journal
    from sluice.money.prices import Price, PriceTable


@dataclass(frozen=True, slots=True)
class ChargeRule:
    """How an interrupted exchange is charged: what was reserved for it, or what was seen to pass."""

    rule: str
    prices: PriceTable


def recover(journal: Journal, directory: Path, rule: ChargeRule, topics: Topics) -> int:
    """Write the events of every exchange that was cut; returns how many. The journal must be open, not yet begun."""
    last = journal.last_boot
    path = directory / FILE_NAME
    if last is None or not path.exists():
        return 0
    boot, _ = last
    inflight = InFlightFile(path, 0)
    try:
        open_slots = list(inflight.open_slots())
        if not open_slots and journal.closed_cleanly:
            return 0
        journal.begin(boot)
        recorded = recorded_since(journal.event_ids_since, [exchange for _, exchange in open_slots])
        cut = [exchange for _, exchange in open_slots if exchange.exchange_id not in recorded]
        for exchange in cut:
            journal.write_now(interrupted_events(exchange, boot, rule))
        journal.write_records_now([closing_report(boot, topics, journal.sequences, len(cut))])
        for slot, _ in open_slots:
            inflight.clear(slot)
    finally:
        inflight.close()
    return len(cut)


def recorded_since(
    event_ids_since: Callable[[tuple[int, int]], Iterable[str]], exchanges: Sequence[InFlight]
) -> set[str]:
    """The exchanges that did reach the journal: searched from the earliest place a slot remembers."""
    if not exchanges:
        return set()
    mark = min((exchange.segment, exchange.segment_bytes) for exchange in exchanges)
    return {exchange_id_of(event_id) for event_id in event_ids_since(mark)}


def interrupted_events(exchange: InFlight, boot: Boot, rule: ChargeRule) -> list[EncodedEvent]:
    """The events of an exchange of which only its slot is left."""
    price = rule.prices.by_id(exchange.price_id) if exchange.price_id else None  # the one pinned at admission
    if price is None and exchange.model:
        price = rule.prices.find(exchange.vendor, exchange.model, exchange.occurred_at)
    usage = Usage(prompt_tokens=estimate_tokens(exchange.request_bytes), response_tokens=_seen_tokens(exchange))
    cost = _cost(exchange, price, usage, rule.rule)
    budget = _budget(exchange, price, usage, cost) if cost else None
    return encode_exchange(
        _common(exchange, boot), _proxy_log(exchange), _analytics(exchange, price, usage, cost), budget
    )


def _seen_tokens(exchange: InFlight) -> int:
    return exchange.sse_frames if exchange.is_stream else estimate_tokens(exchange.response_bytes)


def _cost(exchange: InFlight, price: Price | None, usage: Usage, rule: str) -> int | None:
    if rule == "reserved" and exchange.reserved_nanos:
        return exchange.reserved_nanos
    if price is None:
        return None
    return 0 if rule == "reserved" else cost_nanos(price, usage)


def _common(exchange: InFlight, boot: Boot) -> Common:
    return {
        "exchange_id": exchange.exchange_id,
        "request_id": exchange.request_id,
        "occurred_at": Micros(exchange.occurred_at),
        "completed_at": Micros(now_micros()),
        "gateway_id": boot.gateway_id,
        "worker": boot.worker,
        "boot_id": boot.boot_id,
        "app_id": exchange.app_id or None,
        "user_id": exchange.user_id or None,
        "llm_id": exchange.llm_id or None,
        "llm_slug": exchange.llm_slug,
        "vendor": exchange.vendor,
        "outcome": "interrupted",
        "trace_id": "",
        "labels": [],
    }


def _proxy_log(exchange: InFlight) -> ProxyLogFields:
    method, _, path = exchange.method_path.partition(" ")
    return {
        "method": method,
        "path": path,
        "model_name": exchange.model or None,
        "is_stream": exchange.is_stream,
        "response_code": None,
        "upstream_status": None,
        "request_headers": [],
        "response_headers": [],
        "request_body": None,
        "request_body_bytes": exchange.request_bytes,
        "request_body_truncated": exchange.request_bytes > 0,
        "request_content_type": "",
        "response_body": None,
        "response_body_bytes": exchange.response_bytes,
        "response_body_truncated": exchange.response_bytes > 0,
        "response_content_type": "",
        "chunk_count": 0,
        "error_kind": "interrupted",
        "error_message": "the worker ended while the vendor was being called",
        "remote_addr": "",
        "total_micros": max(0, now_micros() - exchange.occurred_at),
        "upstream_micros": None,
        "first_byte_micros": None,
        "plugins": [],
        "partial": True,
    }


def _analytics(exchange: InFlight, price: Price | None, usage: Usage, cost: int | None) -> AnalyticsFields:
    prompt, response = usage.prompt_tokens or 0, usage.response_tokens or 0
    return {
        "model_name": exchange.model or None,
        "prompt_tokens": prompt,
        "response_tokens": response,
        "cache_write_prompt_tokens": None,
        "cache_read_prompt_tokens": None,
        "reasoning_tokens": None,
        "total_tokens": prompt + response,
        "raw_usage": None,
        "cost_nanos": cost,
        "currency": price.currency if price else "USD",
        "price_id": price.id if price else "",
        "price_version": price.version if price else "",
        "cost_status": "unpriced" if cost is None else "estimated",
        "tool_calls": 0,
        "choices": 0,
        "response_code": None,
        "is_stream": exchange.is_stream,
        "partial": True,
        "total_micros": max(0, now_micros() - exchange.occurred_at),
        "upstream_micros": None,
        "first_byte_micros": None,
        "attempts": [
            {
                "llm_id": exchange.llm_id or None,
                "llm_slug": exchange.llm_slug,
                "status": None,
                "error_kind": "interrupted",
                "may_be_billed": True,
                "micros": 0,
            }
        ],
    }


def _budget(exchange: InFlight, price: Price | None, usage: Usage, cost: int | None) -> BudgetFields:
    prompt, response = usage.prompt_tokens or 0, usage.response_tokens or 0
    return {
        "kind": "usage",
        "corrects": None,
        "model_name": exchange.model or None,
        "tokens_used": prompt + response,
        "prompt_tokens": prompt,
        "completion_tokens": response,
        "cost_nanos": cost or 0,
        "currency": price.currency if price else "USD",
        "price_version": price.version if price else "",
        "requests_count": 1,
        "reserved_nanos": exchange.reserved_nanos,
        "charges": charges(exchange.app_id, exchange.llm_id, exchange.occurred_at),
    }
