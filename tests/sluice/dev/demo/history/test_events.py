"""Events of the demo's past: what a collector, and whoever prices again, finds in them."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from gateway.outcomes import Outcome
from gateway.recording.events import charges
from schemas.codec import SchemaBook
from schemas.events import Kind
from sluice.dev.demo.files import HISTORY_LABEL
from sluice.dev.demo.history.events import Past
from sluice.dev.demo.history.happening import FAILED, REFUSED, Happened
from sluice.eventlog.interface import Boot
from sluice.money.base_prices import read_base_prices
from sluice.money.cost import cost_nanos
from sluice.money.prices import PriceTable
from sluice.money.usage import Usage
from sluice.usage.again import usage_of
from tests.sluice.dev.demo.history.samples import AT, VENDORS, happened

PRICES = PriceTable((), read_base_prices())
PAST = Past(Boot("demo-history", "w", "boot"), PRICES)
COLUMNS = [f"{name}_tokens" for name in ("prompt", "response", "cache_write_prompt", "cache_read_prompt", "reasoning")]
OUTCOMES = sorted({"ok", "client_closed", *REFUSED, *FAILED})


def events_of(each: Happened) -> dict[Kind, dict[str, Any]]:
    """As a reader decodes them."""
    book = SchemaBook()
    return dict(book.decode(event.value(1)) for event in PAST.record(each).events)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_three_events_exist_where_the_gateway_has_them(outcome: str) -> None:
    """A proxy log always, analytics where an app is known, a budget where something is charged; outcomes are ours."""
    found = events_of(happened(outcome))
    kinds = {"proxy_log"}
    if outcome != "auth_failed":
        kinds.add("analytics")
    if outcome in {"ok", "client_closed"}:
        kinds.add("budget")
    assert found.keys() == kinds
    assert outcome in get_args(Outcome)
    assert all(event["labels"] == [HISTORY_LABEL] for event in found.values())


@pytest.mark.parametrize("model", VENDORS, ids=[model.name for model in VENDORS])
def test_the_cost_is_the_price_table_s(model: Any) -> None:
    """Counted again from the event's own tokens by its own price id, to the nano; no price is no cost."""
    found = events_of(happened(model=model))
    worth = found["analytics"]
    price = PRICES.find(model.llm.vendor, model.name, AT)
    if price is None:
        assert (worth["cost_nanos"], worth["cost_status"], "budget" in found) == (None, "unpriced", False)
        return
    usage = Usage(
        prompt_tokens=worth["prompt_tokens"],
        response_tokens=worth["response_tokens"],
        cache_read_prompt_tokens=worth["cache_read_prompt_tokens"],
    )
    assert (worth["price_id"], worth["price_version"]) == (price.id, price.version)
    assert worth["cost_nanos"] == found["budget"]["cost_nanos"] == cost_nanos(price, usage) > 0


@pytest.mark.parametrize("model", VENDORS, ids=[model.name for model in VENDORS])
def test_raw_usage_says_what_the_columns_say(model: Any) -> None:
    """Whoever prices the past again reads every count from it, and finds no contradiction."""
    worth = events_of(happened(model=model))["analytics"]
    told = Usage(**{name: worth[name] for name in COLUMNS})
    assert usage_of(model.llm.vendor, worth["raw_usage"], told).usage is not None


def test_charges_are_those_of_the_gateway() -> None:
    """The same scopes, in the same periods."""
    each = happened()
    (made,) = [event for kind, event in events_of(each).items() if kind == "budget"]
    expected = charges(each.team.id, each.model.llm.id, each.at)
    named = [(charge["scope"], charge["scope_id"], charge["period_id"]) for charge in made["charges"]]
    assert named == [(charge["scope"], charge["scope_id"], charge["period_id"]) for charge in expected]


def test_what_no_vendor_was_asked_has_no_tokens_no_attempt_and_no_cost() -> None:
    """Absent, not zero; and a vendor's own error is free, which is known."""
    for outcome in REFUSED - {"auth_failed"}:
        worth = events_of(happened(outcome))["analytics"]
        assert (worth["prompt_tokens"], worth["cost_nanos"], worth["cost_status"]) == (None, None, "")
        assert worth["attempts"] == []
    failed = events_of(happened("upstream_error"))["analytics"]
    assert (failed["prompt_tokens"], failed["cost_nanos"], failed["cost_status"]) == (None, 0, "exact")


def test_of_whom_nobody_knows_nothing_is_kept() -> None:
    """No app, no body, no plugin: as the gateway records a bad token."""
    (log,) = events_of(happened("auth_failed")).values()
    assert (log["app_id"], log["user_id"], log["model_name"]) == (None, None, None)
    assert (log["request_body"], log["response_body"], log["plugins"]) == (None, None, [])
    assert log["request_body_bytes"] > 0
