"""Budgets and prices, as the management service tells them."""

from __future__ import annotations

from typing import Any, Final

from sluice.plugin_wire import management_pb2 as pb
from sluice.sdk.records import BudgetStatus, ModelPrice
from sluice.sdk.wire.values import (
    currency,
    exact_nanos,
    i32,
    i64,
    micros,
    micros_of_timestamp,
    nanos_in,
    seconds,
    text,
    timestamp,
    u32,
)

_NANOS_OF_ONE_TOKEN: Final = 1_000_000_000 * 1_000_000
"""Prices are nanos for a million tokens; the protocol has currency units for one."""


def budget_status_to_wire(status: BudgetStatus) -> pb.GetBudgetStatusResponse:
    """For ``GetBudgetStatus``; what is unlimited is the largest double, so that none is left of nothing."""
    return pb.GetBudgetStatusResponse(
        app_id=u32(status.app_id),
        llm_id=None if status.llm_id is None else u32(status.llm_id),
        monthly_budget=currency(status.monthly_budget_nanos),
        current_usage=currency(status.used_nanos),
        remaining_budget=currency(status.remaining_nanos),
        tokens_used=i64(status.tokens_used),
        requests_count=i32(status.requests_count),
        period_start=seconds(status.period_start),
        period_end=seconds(status.period_end),
        is_over_budget=status.is_over_budget,
        percentage_used=status.percentage_used,
        monthly_budget_nanos=exact_nanos(status.monthly_budget_nanos),
        used_nanos=i64(status.used_nanos),
        period_start_micros=i64(status.period_start),
        period_end_micros=i64(status.period_end),
    )


def budget_status_from_wire(message: pb.GetBudgetStatusResponse) -> BudgetStatus:
    """Its inverse."""
    return BudgetStatus(
        app_id=message.app_id,
        llm_id=message.llm_id if message.HasField("llm_id") else None,
        monthly_budget_nanos=nanos_in(message, "monthly_budget_nanos", message.monthly_budget),
        used_nanos=nanos_in(message, "used_nanos", message.current_usage) or 0,
        tokens_used=message.tokens_used,
        requests_count=message.requests_count,
        period_start=message.period_start_micros or micros(message.period_start),
        period_end=message.period_end_micros or micros(message.period_end),
    )


def model_price_to_wire(price: ModelPrice) -> pb.ModelPriceInfo:
    """For ``GetModelPrice`` and ``ListModelPrices``: ``cpit`` is a prompt token's price, ``cpt`` a response token's."""
    return pb.ModelPriceInfo(
        id=u32(price.id),
        vendor=text(price.vendor),
        model_name=text(price.model_name),
        cpt=price.response_nanos / _NANOS_OF_ONE_TOKEN,
        cpit=price.prompt_nanos / _NANOS_OF_ONE_TOKEN,
        cache_write_pt=price.cache_write_nanos / _NANOS_OF_ONE_TOKEN,
        cache_read_pt=price.cache_read_nanos / _NANOS_OF_ONE_TOKEN,
        currency=text(price.currency),
        created_at=timestamp(price.created_at),
        updated_at=timestamp(price.updated_at),
        key=text(price.key),
        prompt_nanos=i64(price.prompt_nanos),
        response_nanos=i64(price.response_nanos),
        cache_read_nanos=i64(price.cache_read_nanos),
        cache_write_nanos=i64(price.cache_write_nanos),
    )


def model_price_from_wire(message: pb.ModelPriceInfo) -> ModelPrice:
    """Its inverse."""
    return ModelPrice(
        id=message.id,
        key=message.key,
        vendor=message.vendor,
        model_name=message.model_name,
        currency=message.currency,
        prompt_nanos=_price(message, "prompt_nanos", message.cpit),
        response_nanos=_price(message, "response_nanos", message.cpt),
        cache_read_nanos=_price(message, "cache_read_nanos", message.cache_read_pt),
        cache_write_nanos=_price(message, "cache_write_nanos", message.cache_write_pt),
        created_at=micros_of_timestamp(message.created_at),
        updated_at=micros_of_timestamp(message.updated_at),
    )


def _price(message: Any, field: str, units: float) -> int:
    """A peer's price of one token."""
    return int(getattr(message, field)) if message.HasField(field) else round(units * _NANOS_OF_ONE_TOKEN)
