"""From entities to what plugins see of them. Never a credential; no limit is ``None``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from sluice.money.rates import CLASSES
from sluice.sdk.records import App, BudgetStatus, Llm, ModelPrice

if TYPE_CHECKING:
    from gateway.control.api.services import BudgetStatus as LedgerStatus
    from gateway.control.entities import AppEntity, LlmEntity, PriceEntity
    from sluice.money.prices import Price
    from sluice.money.rates import Tier

_SAME = (
    "cache_write_1h_nanos", "audio_prompt_nanos", "audio_response_nanos", "image_prompt_nanos", "image_response_nanos",
    "request_nanos", "tool_request_nanos", "batch_percent", "aliases", "valid_from",
)  # fmt: skip
"""What a price's entity and its record call alike."""


def app_of(entity: AppEntity) -> App:
    """An app; its metadata cannot be changed by whoever gets it."""
    return App(
        id=entity.id,
        name=entity.name,
        description=entity.description,
        owner_email=entity.owner_email,
        is_active=entity.is_active,
        monthly_budget_nanos=entity.monthly_budget_nanos or None,
        budget_reset_day=entity.budget_reset_day,
        rate_limit_rpm=entity.rate_limit_rpm,
        allowed_ips=entity.allowed_ips,
        metadata=MappingProxyType(entity.metadata),
        created_at=entity.created_at,
        updated_at=entity.updated_at,
    )


def llm_of(entity: LlmEntity) -> Llm:
    """An LLM; whether a vendor key is configured, never which."""
    return Llm(
        id=entity.id,
        name=entity.name,
        vendor=entity.vendor,
        slug=entity.slug,
        endpoint=entity.endpoint,
        has_api_key=bool(entity.api_key),
        default_model=entity.default_model,
        allowed_models=entity.allowed_models,
        is_active=entity.is_active,
        max_tokens=entity.max_tokens,
        timeout_seconds=entity.timeout_seconds or 0.0,
        retry_count=entity.retry_count or 0,
        monthly_budget_nanos=entity.monthly_budget_nanos or None,
        rate_limit_rpm=entity.rate_limit_rpm,
        metadata=MappingProxyType(entity.metadata),
        created_at=entity.created_at,
        updated_at=entity.updated_at,
    )


def price_of(entity: PriceEntity) -> ModelPrice:
    """A row of the price list; ``model_name`` may be a pattern such as ``gpt-4o*``."""
    return ModelPrice(
        id=entity.id,
        key=entity.key,
        vendor=entity.vendor,
        model_name=entity.model_name,
        currency=entity.currency,
        prompt_nanos=entity.prompt_nanos,
        response_nanos=entity.response_nanos,
        cache_read_nanos=entity.cache_read_nanos,
        cache_write_nanos=entity.cache_write_nanos,
        **{name: getattr(entity, name) for name in _SAME},
        tiers=tuple(MappingProxyType(tier) for tier in entity.tiers),
        created_at=entity.created_at,
        updated_at=entity.updated_at,
    )


def base_price_of(price: Price) -> ModelPrice:
    """A row of the base table, which has no id of its own but the one that events carry."""
    return ModelPrice(
        key=price.id,
        vendor=price.vendor,
        model_name=price.model,
        currency=price.currency,
        prompt_nanos=price.rates.prompt,
        response_nanos=price.rates.response,
        cache_read_nanos=price.rates.cache_read,
        cache_write_nanos=price.rates.cache_write,
        cache_write_1h_nanos=price.cache_write_1h_nanos,
        audio_prompt_nanos=price.audio_prompt_nanos,
        audio_response_nanos=price.audio_response_nanos,
        image_prompt_nanos=price.image_prompt_nanos,
        image_response_nanos=price.image_response_nanos,
        request_nanos=price.request_nanos,
        tool_request_nanos=price.tool_request_nanos,
        tiers=tuple(MappingProxyType(_tier_of(tier)) for tier in price.tiers),
        batch_percent=price.batch_percent,
        batch=base_price_of(price.batch) if price.batch is not None else None,
        valid_from=price.valid_from,
    )


def _tier_of(tier: Tier) -> dict[str, int]:
    prices = {f"{name}_nanos": getattr(tier.rates, name) for name in CLASSES}
    return {"above_prompt_tokens": tier.above_prompt_tokens, **prices}


def budget_of(status: LedgerStatus) -> BudgetStatus:
    """A budget as the ledger has it."""
    return BudgetStatus(
        app_id=status.app_id,
        llm_id=status.llm_id,
        monthly_budget_nanos=status.limit_nanos or None,
        used_nanos=status.spent_nanos,
        tokens_used=status.prompt_tokens + status.response_tokens,
        requests_count=status.requests_count,
        period_start=status.period_start,
        period_end=status.period_end,
    )
