"""One exchange priced again, from its analytics event: as the gateway priced it, by another list.

What cannot be is not done, and says why: such an event stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sluice.money.prices import Price, PriceTable
from sluice.money.usage import Usage
from sluice.usage.again import CUT, usage_of
from sluice.usage.counts import BATCH_TIER
from sluice.usage.labels import PricedBy
from sluice.usage.pricing import Settled, settle

COLUMNS = (
    "vendor", "model_name", "occurred_at", "labels", "attempts", "outcome", "llm_slug", "prompt_tokens",
    "response_tokens", "cache_read_prompt_tokens", "cache_write_prompt_tokens", "reasoning_tokens", "raw_usage",
    "cost_nanos", "currency", "price_id", "price_version", "cost_status",
)  # fmt: skip
"""What an event is priced by."""

REASONS: Mapping[str, str] = {
    "not_called": "no vendor was called",
    "free": "its vendor takes nothing for it, or refused it",
    "no_price": "the list has no price for its model",
    "estimated": "its cost is an estimate (--estimated prices these too)",
    "interrupted": "the gateway was killed: what was held for it was charged, by no price",
    "failover": "an LLM that was given up may have charged too: the estimate is a sum of several prices",
    "other_llm": "another LLM than the one asked answered, and the event does not say whose",
    "other_currency": "the list has its price in another currency",
    "cut": "its usage was too large to be kept",
    "beyond_money": "what was counted costs more than an event can say",
    "counted_otherwise": "its raw usage does not say what was counted",
}
"""Why an event is not priced again, by a stable code."""
_MAX_NANOS = (1 << 63) - 1
"""Of an event's ``cost_nanos``."""


class Old(NamedTuple):
    """An event as it is; see ``COLUMNS``."""

    vendor: str
    model_name: str | None
    occurred_at: int
    labels: Sequence[str]
    attempts: Sequence[Mapping[str, Any]]
    outcome: str
    llm_slug: str
    prompt_tokens: int | None
    response_tokens: int | None
    cache_read_prompt_tokens: int | None
    cache_write_prompt_tokens: int | None
    reasoning_tokens: int | None
    raw_usage: str | None
    cost_nanos: int | None
    currency: str
    price_id: str
    price_version: str
    cost_status: str


class New(NamedTuple):
    """What its event says then; where ``reason`` is given the same as before."""

    cost_nanos: int | None
    currency: str
    price_id: str
    price_version: str
    cost_status: str
    reason: str = ""
    """Of ``REASONS``."""


class Repricer:
    """Prices by one list."""

    def __init__(self, table: PriceTable, *, with_estimates: bool = False) -> None:
        self._table = table
        self._with_estimates = with_estimates

    def reprice(self, old: Old) -> New:
        """Never raises."""
        by = PricedBy.of(old.labels)
        reason = self._unpriceable(old, by)
        if reason:
            return _kept(old, reason)
        price = self._price(old, by)
        if price is None:
            return _kept(old, "no_price")
        if old.cost_nanos is not None and price.currency != old.currency:
            return _kept(old, "other_currency")
        settled = self._settled(old, by, price)
        if isinstance(settled, str):
            return _kept(old, settled)
        if settled.nanos > _MAX_NANOS:
            return _kept(old, "beyond_money")
        return New(settled.nanos, price.currency, price.id, price.version, settled.status)

    def _unpriceable(self, old: Old, by: PricedBy) -> str:
        """Why it has no price of one model, or empty."""
        if not old.cost_status:
            return "not_called"
        if old.outcome == "interrupted":
            return "interrupted"
        if old.prompt_tokens is None and old.response_tokens is None and old.cost_status == "exact":
            return "free"
        asked = {attempt["llm_slug"] for attempt in old.attempts}
        if len(asked) > 1 or (asked and old.llm_slug not in asked):
            last = old.attempts[-1]["llm_slug"]
            if any(each["may_be_billed"] and each["llm_slug"] != last for each in old.attempts):
                return "failover"
            if by.vendor is None:
                return "other_llm"
        return "estimated" if _is_estimate(old, by) and not self._with_estimates else ""

    def _price(self, old: Old, by: PricedBy) -> Price | None:
        """That of the model asked, else of the one that answered; valid when it was admitted."""
        vendor, answered = by.vendor or old.vendor, old.model_name
        for model in dict.fromkeys((by.model or answered, answered)):
            price = self._table.find(vendor, model, old.occurred_at) if model else None
            if price is not None:
                return price
        return None

    def _settled(self, old: Old, by: PricedBy, price: Price) -> Settled | str:
        is_estimate = _is_estimate(old, by)
        told = Usage(*old[7:12])
        usage = self._usage(old, told, is_estimate=is_estimate)
        if isinstance(usage, str):
            return usage
        if by.tools is not None:
            usage.tool_requests = by.tools
        problem = by.problem or (BATCH_TIER if by.is_batch_tier else "")
        settled = settle(price, usage, problem, is_batch=by.is_batch)
        is_tier = problem == BATCH_TIER and settled.status == "exact"
        return settled if not is_estimate or is_tier else settled._replace(status="estimated")

    def _usage(self, old: Old, told: Usage, *, is_estimate: bool) -> Usage | str:
        """All counts: those that the event has columns for, and from its raw usage those that it has not."""
        if not old.raw_usage:
            return told if is_estimate or _has_tokens(told) else "free"
        found = usage_of(old.vendor, old.raw_usage, told).usage
        if found is not None:
            return found
        if is_estimate:
            return told
        if old.raw_usage == CUT:
            return "cut"
        return "counted_otherwise" if _has_tokens(told) else "free"


def _is_estimate(old: Old, by: PricedBy) -> bool:
    """Whether its counts were estimated, or were not to be trusted, whether it had a price or not."""
    return old.cost_status == "estimated" or (old.cost_status == "unpriced" and (bool(by.problem) or not old.raw_usage))


def _has_tokens(told: Usage) -> bool:
    return bool(told.prompt_tokens or told.response_tokens)


def _kept(old: Old, reason: str) -> New:
    return New(old.cost_nanos, old.currency, old.price_id, old.price_version, old.cost_status, reason)
