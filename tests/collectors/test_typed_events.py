"""Rows to typed events: every field where its name says, absent as the sdk says, times aware."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from collectors.frames import COLUMNS
from collectors.typed_events import event_of, facts_of
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from sluice.sdk.collecting import AnalyticsData, BudgetUsageData, ProxyLogData
from tests.collectors.events import NOW_MICROS, event_id_of, make_record
from tests.collectors.frames import frame_of_records

NOW = datetime(2025, 11, 24, 16, 0, tzinfo=UTC)


def made(kind: Kind, **changes: Any) -> Any:
    """The event of one record."""
    record = make_record(kind, **changes)
    event = event_of(kind, frame_of_records(SchemaBook(), [record]).rows, 0)
    assert event.event_id == event_id_of(record)
    return event


@pytest.mark.parametrize("kind", KINDS)
def test_what_all_events_share(kind: Kind) -> None:
    """Who, when and what for; and every column of the log under its own name."""
    event = made(kind)
    assert event.occurred_at == event.timestamp == NOW
    assert (event.request_id, event.app_id, event.user_id, event.llm_id) == ("r-1", 7, 0, 3)
    assert (event.llm_slug, event.vendor, event.outcome) == ("gpt", "openai", "ok")
    assert event.fields.keys() == COLUMNS[kind].keys()
    assert event.fields["occurred_at"] == NOW_MICROS
    assert event.fields["gateway_id"] == "gw-1"


def test_a_proxy_log_has_bodies_as_bytes() -> None:
    """Also where they are no text, and empty where there were none."""
    event = made("proxy_log", request_body=b"\xff\x00", response_body=b"")
    assert isinstance(event, ProxyLogData)
    assert (event.request_body, event.response_body, event.response_code) == (b"\xff\x00", b"", 200)


def test_analytics_have_numbers_and_exact_money() -> None:
    """What the vendor did not tell is 0 in the typed field, and absent in ``fields``."""
    event = made("analytics")
    assert isinstance(event, AnalyticsData)
    assert (event.prompt_tokens, event.response_tokens, event.total_tokens) == (12, 34, 46)
    assert (event.cache_write_prompt_tokens, event.fields["cache_write_prompt_tokens"]) == (0, None)
    assert event.cost == Decimal("0.123456789")
    assert (event.model_name, event.currency, event.choices, event.tool_calls) == ("gpt-4o", "USD", 1, 0)


def test_a_budget_event_has_its_period() -> None:
    """That of the first budget charged; the moment itself where none was."""
    event = made("budget")
    assert isinstance(event, BudgetUsageData)
    assert (event.tokens_used, event.requests_count, event.completion_tokens) == (46, 1, 34)
    assert (event.period_start, event.period_end) == (
        datetime(2025, 11, 1, tzinfo=UTC),
        datetime(2025, 12, 1, tzinfo=UTC),
    )
    uncharged = made("budget", charges=[])
    assert uncharged.period_start == uncharged.period_end == NOW


def test_a_context_tells_of_the_event_s_exchange() -> None:
    """So that a collector's code reads as a hook's; nobody is ``None``, not 0."""
    facts = facts_of(made("analytics", app_id=None, llm_id=None))
    assert (facts.request_id, facts.app_id, facts.user_id, facts.llm_id) == ("r-1", None, None, None)
    assert facts.vendor == "openai"
    assert facts.exchange_id
