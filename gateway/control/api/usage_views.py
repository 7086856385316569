"""What the API shows of events: analytics, bodies, sums. Money is by currency, exact, as text and as nanos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field

from gateway.control.api.views import Amount, At, View, at
from sluice.money.nanos import format_nanos

if TYPE_CHECKING:
    from sluice.eventstore.queries import (
        Bodies,
        Costs,
        DayFigures,
        Document,
        LlmFigures,
        LlmStats,
        ModelFigures,
        Money,
        Summary,
    )

_MICROS_PER_MS = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """An analytics event, as the event store has it."""

    document: Document


@dataclass(frozen=True, slots=True)
class OneBody:
    """One side of an exchange."""

    event_id: str
    side: Literal["request", "response"]
    bodies: Bodies


class MoneyView(View):
    """An amount in one currency."""

    currency: Annotated[str, Field(examples=["USD"])]
    amount: Amount
    nanos: int


def money(amounts: Money) -> list[MoneyView]:
    """The amounts, by currency."""
    return [
        MoneyView(currency=currency, amount=format_nanos(nanos), nanos=nanos)
        for currency, nanos in sorted(amounts.items())
    ]


class EventView(View):
    """One exchange as analytics knows it."""

    event_id: str
    exchange_id: str
    request_id: str
    occurred_at: At
    app_id: int | None
    user_id: int | None
    llm_id: int | None
    llm_slug: str
    vendor: str
    model_name: str | None
    outcome: Annotated[str, Field(examples=["ok"])]
    response_code: int | None
    prompt_tokens: int | None
    response_tokens: int | None
    cache_write_prompt_tokens: int | None
    cache_read_prompt_tokens: int | None
    total_tokens: int | None
    cost: Amount | None
    cost_nanos: int | None
    cost_status: str
    currency: str
    choices: int
    tool_calls: int
    is_stream: bool
    total_ms: float

    @classmethod
    def of(cls, found: Event) -> Self:
        """The view of one."""
        event = found.document
        cost = event.get("cost_nanos")
        shown: dict[str, Any] = {name: event.get(name) for name in cls.model_fields}
        computed: dict[str, Any] = {
            "occurred_at": at(event["occurred_at"]),
            "cost": None if cost is None else format_nanos(cost),
            "total_ms": (event.get("total_micros") or 0) / _MICROS_PER_MS,
        }
        return cls(**{**shown, **computed})


class RequestBodyView(View):
    """What a client sent."""

    event_id: str
    endpoint: str
    method: str
    timestamp: At
    request_body: Annotated[str | None, Field(description="null where it was not kept")]
    content_type: str
    is_truncated: bool


class ResponseBodyView(View):
    """What a client got."""

    event_id: str
    endpoint: str
    status_code: int | None
    timestamp: At
    response_body: Annotated[str | None, Field(description="null where it was not kept")]
    content_type: str
    is_truncated: bool


def body_view(found: OneBody) -> RequestBodyView | ResponseBodyView:
    """The view of one side; bytes that are no UTF-8 are replaced."""
    bodies = found.bodies
    if found.side == "request":
        return RequestBodyView(
            event_id=found.event_id,
            endpoint=bodies.path,
            method=bodies.method,
            timestamp=at(bodies.occurred_at),
            request_body=_text(bodies.request_body),
            content_type=bodies.request_content_type,
            is_truncated=bodies.request_body_truncated,
        )
    return ResponseBodyView(
        event_id=found.event_id,
        endpoint=bodies.path,
        status_code=bodies.response_code,
        timestamp=at(bodies.occurred_at),
        response_body=_text(bodies.response_body),
        content_type=bodies.response_content_type,
        is_truncated=bodies.response_body_truncated,
    )


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode(errors="replace")


class ModelView(View):
    """A model's part."""

    model_name: str | None
    requests: int
    total_tokens: int
    costs: list[MoneyView]


class LlmPartView(View):
    """An LLM's part."""

    llm_id: int | None
    llm_slug: str
    requests: int
    total_tokens: int
    costs: list[MoneyView]


class DayView(View):
    """A UTC day's part."""

    day: Annotated[str, Field(examples=["2026-11-01"])]
    requests: int
    total_tokens: int
    costs: list[MoneyView]


class SummaryView(View):
    """What an app did in some time."""

    total_requests: int
    successful_requests: int
    failed_requests: int
    prompt_tokens: int
    response_tokens: int
    total_tokens: int
    total_costs: list[MoneyView]
    average_latency_ms: float | None
    requests_per_hour: float
    top_models: list[ModelView]
    error_stats: dict[str, int]

    @classmethod
    def of(cls, summary: Summary) -> Self:
        """The view of it."""
        return cls(
            total_requests=summary.requests,
            successful_requests=summary.successful,
            failed_requests=summary.failed,
            prompt_tokens=summary.prompt_tokens,
            response_tokens=summary.response_tokens,
            total_tokens=summary.total_tokens,
            total_costs=money(summary.cost_nanos),
            average_latency_ms=summary.average_latency_ms,
            requests_per_hour=summary.requests_per_hour,
            top_models=[_model(each) for each in summary.top_models],
            error_stats=dict(summary.errors),
        )


class CostsView(View):
    """What an app spent in some time."""

    total_requests: int
    total_costs: list[MoneyView]
    average_costs_per_request: list[MoneyView]
    cost_by_llm: list[LlmPartView]
    cost_by_model: list[ModelView]
    cost_by_day: list[DayView]

    @classmethod
    def of(cls, costs: Costs) -> Self:
        """The view of it."""
        return cls(
            total_requests=costs.requests,
            total_costs=money(costs.total),
            average_costs_per_request=money(costs.average_per_request),
            cost_by_llm=[_llm(each) for each in costs.by_llm],
            cost_by_model=[_model(each) for each in costs.by_model],
            cost_by_day=[_day(each) for each in costs.by_day],
        )


class LlmStatsView(View):
    """What all apps together asked of one LLM."""

    request_count: int
    total_tokens: int
    total_costs: list[MoneyView]

    @classmethod
    def of(cls, stats: LlmStats) -> Self:
        """The view of it."""
        return cls(request_count=stats.requests, total_tokens=stats.total_tokens, total_costs=money(stats.cost_nanos))


def _model(found: ModelFigures) -> ModelView:
    return ModelView(model_name=found.model_name, **_figures(found))


def _llm(found: LlmFigures) -> LlmPartView:
    return LlmPartView(llm_id=found.llm_id, llm_slug=found.llm_slug, **_figures(found))


def _day(found: DayFigures) -> DayView:
    return DayView(day=found.day, **_figures(found))


def _figures(found: ModelFigures | LlmFigures | DayFigures) -> dict[str, Any]:
    return {
        "requests": found.requests,
        "total_tokens": found.total_tokens,
        "costs": money(found.cost_nanos),
    }
