"""Tests of ``sluice.sdk.wire.collecting``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import AnalyticsData, BudgetUsageData, DataCollectionResponse, ProxyLogData, wire
from tests.sluice.sdk.wire.strategies import (
    BODIES,
    I63,
    IDS,
    JSON_MAPS,
    TEXT_MAPS,
    TEXTS,
    TIMES,
    U31,
    USER_IDS,
    context_of,
    for_all,
    sent,
)

SHARED: dict[str, Any] = {
    **dict.fromkeys(("event_id", "exchange_id", "request_id", "llm_slug", "vendor", "outcome"), TEXTS),
    **dict.fromkeys(("app_id", "llm_id"), st.just(0) | IDS),
    "user_id": st.just(0) | USER_IDS,
    "occurred_at": TIMES,
    "fields": JSON_MAPS,
}
LOGS = st.builds(ProxyLogData, **SHARED, request_body=BODIES, response_body=BODIES, response_code=U31)
TOKENS = ("prompt_tokens", "response_tokens", "cache_write_prompt_tokens", "cache_read_prompt_tokens", "total_tokens")
ANALYTICS = st.builds(
    AnalyticsData,
    **SHARED,
    **dict.fromkeys((*TOKENS, "tool_calls", "choices"), U31),
    model_name=TEXTS,
    cost_nanos=I63,
    currency=TEXTS,
)
BUDGETS = st.builds(
    BudgetUsageData,
    **SHARED,
    **dict.fromkeys(("tokens_used", "prompt_tokens", "completion_tokens"), I63),
    cost_nanos=st.integers(-(1 << 62), 1 << 62),
    requests_count=U31,
    period_start=TIMES,
    period_end=TIMES,
)
AT = datetime(2026, 11, 26, 4, 56, 7, 890123, UTC)


@for_all(LOGS)
def test_a_proxy_log_comes_back_whole(event: ProxyLogData) -> None:
    """Every field of the event, whatever it is called and whatever is in it."""
    assert wire.proxy_log_from_wire(sent(wire.proxy_log_to_wire(context_of(), event))) == event


@for_all(ANALYTICS)
def test_analytics_come_back_whole(event: AnalyticsData) -> None:
    """Cost in nanos, exactly, though the protocol has a double."""
    assert wire.analytics_from_wire(sent(wire.analytics_to_wire(context_of(), event))) == event


@for_all(BUDGETS)
def test_a_budget_event_comes_back_whole(event: BudgetUsageData) -> None:
    """Corrections below zero too."""
    assert wire.budget_from_wire(sent(wire.budget_to_wire(context_of(), event))) == event


def test_bodies_are_not_sent_twice() -> None:
    """They are the largest part of an event, and among its fields as well."""
    body = b"x" * 10_000
    fields = {"request_body": body, "response_body": None, "at": AT, "raw": b"\x00\xff", "n": 1}
    event = ProxyLogData(event_id="e-p", occurred_at=AT, request_body=body, fields=fields)
    message = wire.proxy_log_to_wire(context_of(), event)
    assert len(message.SerializeToString()) < 11_000
    assert wire.proxy_log_from_wire(sent(message)) == event


def test_peers_get_seconds_and_currency_units() -> None:
    """What the protocol has of it."""
    analytics = AnalyticsData(event_id="e-a", occurred_at=AT, cost_nanos=1_500_000_000, total_tokens=1 << 40)
    message = wire.analytics_to_wire(context_of(), analytics)
    assert (message.timestamp, message.cost, message.currency) == (1795668967, 1.5, "USD")
    assert message.total_tokens == (1 << 31) - 1


def test_a_context_of_no_exchange_is_the_event_s() -> None:
    """A collector's context knows none, and peers look there."""
    event = ProxyLogData(event_id="e-p", occurred_at=AT, exchange_id="e", app_id=7, llm_id=2, vendor="openai")
    context = wire.proxy_log_to_wire(context_of(), event).context
    assert (context.request_id, context.exchange_id, context.app_id) == ("request-1", "e", 7)
    assert (context.llm_id, context.vendor) == (2, "openai")


def test_a_peer_s_messages_are_read_by_the_protocol_s_fields() -> None:
    """A plugin of ours under another host gets what there is."""
    context = pb.PluginContext(llm_id=3, llm_slug="s", user_id=4)
    log = wire.proxy_log_from_wire(pb.ProxyLogRequest(app_id=7, vendor="v", timestamp=60, context=context))
    assert (log.app_id, log.vendor, log.llm_id, log.llm_slug, log.user_id) == (7, "v", 3, "s", 4)
    assert (log.occurred_at, log.fields) == (datetime(1970, 1, 1, 0, 1, tzinfo=UTC), {})
    analytics = wire.analytics_from_wire(pb.AnalyticsRequest(llm_id=3, cost=0.25, user_id=5))
    assert (analytics.llm_id, analytics.user_id, analytics.cost_nanos) == (3, 5, 250_000_000)
    budget = wire.budget_from_wire(pb.BudgetUsageRequest(llm_id=3, cost=2, period_start=60, period_end=120))
    assert (budget.cost_nanos, budget.period_end.minute) == (2_000_000_000, 2)


def test_numbers_that_are_no_time_or_money_are_read_all_the_same() -> None:
    """Whatever a process sends: the nearest there is, never an exception."""
    wild = pb.BudgetUsageRequest(timestamp=1 << 62, period_start=-(1 << 62), cost=float("nan"))
    event = wire.budget_from_wire(wild)
    assert (event.occurred_at.year, event.period_start.year, event.cost_nanos) == (9999, 1970, 0)
    assert wire.analytics_from_wire(pb.AnalyticsRequest(cost=float("inf"))).cost_nanos == 0


@for_all(st.builds(DataCollectionResponse, st.booleans(), st.booleans(), TEXTS, TEXT_MAPS))
def test_an_answer_comes_back_as_it_was_given(answer: DataCollectionResponse) -> None:
    """Success, handled, message, metadata."""
    assert wire.collection_from_wire(sent(wire.collection_to_wire(answer))) == answer


def test_no_answer_acknowledges() -> None:
    """As the SDK says of ``None``."""
    assert wire.collection_from_wire(wire.collection_to_wire(None)) == DataCollectionResponse.done()
