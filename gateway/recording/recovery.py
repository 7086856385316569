"""What a kill left behind: in-flight slots whose exchanges are not in the journal become ``interrupted`` events.

Whoever next opens a worker's directory does this, under the dead boot's ids and its next sequence numbers, so that
no sequence is missing and none is given twice. What they held in budgets is settled behind it, by the record where
there is one; then nothing is held by that worker any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gateway.access.budget_rows import rows_held
from gateway.access.settlement import Settlements, Worth
from gateway.recording.events import charges
from gateway.recording.inflight import FILE_NAME, InFlight, InFlightFile
from gateway.recording.reports import closing_report
from gateway.usage import estimate_tokens
from schemas.codec import EncodedEvent, encode_exchange
from schemas.events import AnalyticsFields, BudgetFields, Common, Micros, ProxyLogFields
from schemas.ids import exchange_id_of
from sluice.clock import now_micros
from sluice.money.cost import cost_nanos
from sluice.money.periods import is_time_zone
from sluice.money.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from gateway.access.shared_table import SharedTable
    from gateway.snapshot import PresentPrices
    from schemas.topics import Topics
    from sluice.eventlog.interface import Boot
    from sluice.eventlog.journal.journal import Journal
    from sluice.money.prices import Price, PriceTable


@dataclass(frozen=True, slots=True)
class ChargeRule:
    """How an interrupted exchange is charged: what was reserved for it, or what was seen to pass."""

    rule: str
    prices: PriceTable | PresentPrices


def recover(journal: Journal, directory: Path, rule: ChargeRule, topics: Topics, table: SharedTable) -> int:
    """Write the events of every exchange that was cut, and settle what it held; returns how many were cut.

    The journal must be open, not yet begun; ``table`` is the dead worker's own view of it. A kill in the middle is
    recovered from by doing it again.
    """
    path, cut = directory / FILE_NAME, 0
    if journal.last_boot is not None and path.exists():
        inflight = InFlightFile(path, 0)
        try:
            cut = _recover_slots(journal, journal.last_boot[0], inflight, rule, topics, table)
        finally:
            inflight.close()
    table.let_go()
    return cut


def _recover_slots(
    journal: Journal, boot: Boot, inflight: InFlightFile, rule: ChargeRule, topics: Topics, table: SharedTable
) -> int:
    settlements = Settlements(table)
    _finish_redo(settlements, inflight)
    open_slots = list(inflight.open_slots())
    if not open_slots and journal.closed_cleanly:
        return 0
    journal.begin(boot)
    recorded = recorded_since(journal.event_ids_since, [exchange for _, exchange in open_slots])
    cut = [(slot, exchange) for slot, exchange in open_slots if exchange.exchange_id not in recorded]
    for slot, exchange in cut:
        inflight.price(slot, interrupted_worth(exchange, rule))
        journal.write_now(interrupted_events(exchange, boot, rule))
    journal.write_records_now([closing_report(boot, topics, journal.sequences, len(cut))])
    for slot, _ in open_slots:
        _settle(settlements, inflight, slot, table)
    return len(cut)


def _finish_redo(settlements: Settlements, inflight: InFlightFile) -> None:
    """A settlement that a kill cut in the middle; its exchange is recorded."""
    settled = settlements.finish_redo()
    for slot, exchange in inflight.open_slots():
        if exchange.exchange_id == settled:
            inflight.clear(slot)
    settlements.end_redo()


def _settle(settlements: Settlements, inflight: InFlightFile, slot: int, table: SharedTable) -> None:
    """Charge what the slot says that the record says."""
    exchange = inflight.read(slot)
    rows = rows_held(table, exchange.rows, exchange.app_id, exchange.llm_id, exchange.occurred_at)
    worth = exchange.worth or Worth()
    settlements.settle(exchange.exchange_id, rows, exchange.reserved_nanos, worth, partial(inflight.clear, slot))


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
    price, usage = _price_and_usage(exchange, rule)
    cost = _cost(exchange, price, usage, rule.rule)
    budget = _budget(exchange, price, usage, cost) if cost else None
    return encode_exchange(
        _common(exchange, boot), _proxy_log(exchange), _analytics(exchange, price, usage, cost), budget
    )


def interrupted_worth(exchange: InFlight, rule: ChargeRule) -> Worth:
    """What those events charge."""
    price, usage = _price_and_usage(exchange, rule)
    cost = _cost(exchange, price, usage, rule.rule)
    return Worth(cost or 0, usage.prompt_tokens or 0, usage.response_tokens or 0)


def _price_and_usage(exchange: InFlight, rule: ChargeRule) -> tuple[Price | None, Usage]:
    price = rule.prices.by_id(exchange.price_id) if exchange.price_id else None  # the one pinned at admission
    if price is None and exchange.model:
        price = rule.prices.find(exchange.vendor, exchange.model, exchange.occurred_at)
    usage = Usage(prompt_tokens=estimate_tokens(exchange.request_bytes), response_tokens=_seen_tokens(exchange))
    return price, usage


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
        "charges": charges(
            exchange.app_id,
            exchange.llm_id,
            exchange.occurred_at,
            app_reset_day=_reset_day(exchange.app_reset_day),
            llm_reset_day=_reset_day(exchange.llm_reset_day),
            time_zone=_time_zone(exchange.time_zone),
        ),
    }


def _reset_day(day: int) -> int:
    """Whatever a disk gave back."""
    return min(max(day, 1), 28)


def _time_zone(name: str) -> str:
    try:
        return is_time_zone(name)
    except ValueError:
        return "UTC"
