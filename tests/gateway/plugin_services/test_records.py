"""From entities to what plugins see: everything there, no limit is ``None``, no credential anywhere."""

from __future__ import annotations

import msgspec
import pytest

from gateway.control.api.services import BudgetStatus as LedgerStatus
from gateway.control.entities import AppEntity, LlmEntity, PriceEntity
from gateway.plugin_services.records import app_of, base_price_of, budget_of, llm_of, price_of
from sluice.money.base_prices import read_base_prices


def test_an_app_is_told_whole() -> None:
    """With what no snapshot has; its metadata cannot be changed."""
    entity = AppEntity(
        id=3, name="shop", description="d", owner_email="o@x", is_active=False, monthly_budget_nanos=5,
        budget_reset_day=9, rate_limit_rpm=7, allowed_ips=("10.0.0.0/8",), metadata={"plan": "gold"},
        created_at=1, updated_at=2,
    )  # fmt: skip
    found = app_of(entity)
    own = {name: getattr(found, name) for name in found.__struct_fields__}
    assert own == {name: getattr(entity, name) for name in own}
    with pytest.raises(TypeError):
        found.metadata["plan"] = "none"  # type: ignore[index]


def test_no_budget_is_none() -> None:
    """So that ``remaining <= 0`` is never true of it."""
    assert app_of(AppEntity(id=1, name="a")).monthly_budget is None
    status = budget_of(LedgerStatus(app_id=1, limit_nanos=0, spent_nanos=9, period_start=1, period_end=2))
    assert (status.monthly_budget, status.remaining_budget, status.is_over_budget) == (None, None, False)
    assert llm_of(LlmEntity(id=1, slug="s", name="n", vendor="v", endpoint="e")).monthly_budget_nanos is None


@pytest.mark.parametrize("api_key", ["sk-very-secret", "env:OPENAI_KEY", ""])
def test_an_llm_says_whether_it_has_a_key_and_never_which(api_key: str) -> None:
    """Not in any field, nor in its text."""
    entity = LlmEntity(id=3, slug="gpt", name="GPT", vendor="openai", endpoint="https://x", api_key=api_key,
                       allowed_models=("a",), timeout_seconds=None, retry_count=2, metadata={"m": 1})  # fmt: skip
    found = llm_of(entity)
    assert found.has_api_key is bool(api_key)
    assert (found.slug, found.allowed_models, found.timeout_seconds, found.retry_count) == ("gpt", ("a",), 0, 2)
    if api_key:
        assert api_key not in repr(found)
        assert api_key not in str([getattr(found, name) for name in msgspec.structs.asdict(found)])


def test_a_price_is_told_whole() -> None:
    """In nanos for a million tokens, as events are charged."""
    entity = PriceEntity(id=3, key="k", vendor="v", model_name="gpt-*", currency="EUR", prompt_nanos=1,
                         response_nanos=2, cache_read_nanos=3, cache_write_nanos=4, created_at=5,
                         updated_at=6, cache_write_1h_nanos=7, audio_prompt_nanos=8, audio_response_nanos=9,
                         image_prompt_nanos=10, image_response_nanos=11, request_nanos=12, tool_request_nanos=13,
                         tiers=({"above_prompt_tokens": 9, "prompt_nanos": 14},), batch_percent=50, aliases=("a",),
                         valid_from=15)  # fmt: skip
    found = price_of(entity)
    own = {name: getattr(found, name) for name in found.__struct_fields__ if name != "batch"}
    assert own == {name: getattr(entity, name) for name in own}
    assert found.batch is None


def test_a_budget_has_the_ledger_s_figures() -> None:
    """Tokens of both kinds together."""
    found = budget_of(
        LedgerStatus(
            app_id=1,
            llm_id=2,
            limit_nanos=100,
            spent_nanos=120,
            prompt_tokens=3,
            response_tokens=4,
            requests_count=5,
            period_start=6,
            period_end=7,
        )
    )
    assert (found.app_id, found.llm_id, found.tokens_used, found.requests_count) == (1, 2, 7, 5)
    assert (found.period_start, found.period_end) == (6, 7)
    assert found.is_over_budget
    assert found.remaining_nanos == 0


def test_a_base_price_has_the_id_that_events_carry() -> None:
    """And none of the control API, where there is no such row."""
    row = read_base_prices().find("openai", "gpt-4o")[0]
    found = base_price_of(row)
    assert (found.id, found.key, found.vendor, found.model_name) == (0, row.id, "openai", "gpt-4o")
    assert (found.prompt_nanos, found.response_nanos, found.cache_read_nanos) == (2_500_000_000, 10**10, 1_250_000_000)


def test_a_base_price_has_its_tiers_and_its_batch_price() -> None:
    """All that an exchange may be charged by."""
    rows = list(read_base_prices().rows("google_ai"))
    tiered = base_price_of(next(row for row in rows if row.tiers))
    assert tiered.tiers[0]["above_prompt_tokens"] > 0
    assert tiered.tiers[0]["prompt_nanos"] > tiered.prompt_nanos
    row = next(row for row in rows if row.batch is not None)
    batch = base_price_of(row).batch
    assert batch is not None
    assert row.batch is not None
    assert batch.prompt_nanos == row.batch.prompt_nanos < row.prompt_nanos
