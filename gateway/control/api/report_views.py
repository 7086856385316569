"""What the API shows besides entities: attachments and budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field

from gateway.control.api.config_secrets import shown_config
from gateway.control.api.views import Amount, At, PluginView, View, at, at_or_none, plugin_fields
from sluice.money.nanos import format_nanos

if TYPE_CHECKING:
    from gateway.control.api.services import BudgetStatus, SpentBudget
    from gateway.control.entities import Attachment, PluginEntity

_PERCENT = 100


@dataclass(frozen=True, slots=True)
class AttachedPlugin:
    """A plugin at its place on an LLM."""

    plugin: PluginEntity
    attachment: Attachment
    place: int


@dataclass(frozen=True, slots=True)
class BudgetOverview:
    """Every app that has a budget; the names of those that are over it."""

    statuses: Sequence[BudgetStatus]
    names: Mapping[int, str]


class AttachmentView(View):
    """A plugin's own settings on one LLM."""

    plugin_id: Annotated[int, Field(examples=[1])]
    config: Annotated[dict[str, Any] | None, Field(description="instead of the plugin's own; null takes that one")]
    app_id: Annotated[int | None, Field(description="only for this app's exchanges; null is all")]
    is_active: bool
    on_stream: Annotated[str | None, Field(description="instead of the plugin's own; null takes that one")]

    @classmethod
    def of(cls, attachment: Attachment) -> Self:
        """The view of one."""
        return cls(
            plugin_id=attachment.plugin_id,
            config=None if attachment.config is None else shown_config(attachment.config),
            app_id=attachment.app_id,
            is_active=attachment.is_active,
            on_stream=attachment.on_stream,
        )


class AttachedPluginView(PluginView):
    """A plugin at its place on an LLM."""

    order_index: int
    attachment: AttachmentView

    @classmethod
    def of_attached(cls, found: AttachedPlugin) -> Self:
        """The view of one."""
        return cls(
            **plugin_fields(found.plugin), order_index=found.place, attachment=AttachmentView.of(found.attachment)
        )


class BudgetView(View):
    """A budget in one period."""

    app_id: Annotated[int, Field(examples=[2])]
    llm_id: int | None
    monthly_budget: Annotated[Amount | None, Field(description="null is no limit")]
    monthly_budget_nanos: int | None
    current_usage: Amount
    current_usage_nanos: int
    remaining_budget: Amount | None
    remaining_budget_nanos: int | None
    granted_nanos: Annotated[int, Field(description="held by hosts for exchanges to come or under way")]
    stranded_nanos: Annotated[int, Field(description="held by hosts that do not report")]
    tokens_used: int
    prompt_tokens: int
    response_tokens: int
    requests_count: int
    period_start: At
    period_end: At
    is_over_budget: bool
    percentage_used: float

    @classmethod
    def of(cls, status: BudgetStatus) -> Self:
        """The view of one."""
        limit = status.limit_nanos or None
        left = None if limit is None else max(limit - status.spent_nanos, 0)
        return cls(
            app_id=status.app_id,
            llm_id=status.llm_id,
            monthly_budget=_text(limit),
            monthly_budget_nanos=limit,
            current_usage=format_nanos(status.spent_nanos),
            current_usage_nanos=status.spent_nanos,
            remaining_budget=_text(left),
            remaining_budget_nanos=left,
            granted_nanos=status.granted_nanos,
            stranded_nanos=status.stranded_nanos,
            tokens_used=status.prompt_tokens + status.response_tokens,
            prompt_tokens=status.prompt_tokens,
            response_tokens=status.response_tokens,
            requests_count=status.requests_count,
            period_start=at(status.period_start),
            period_end=at(status.period_end),
            is_over_budget=limit is not None and status.spent_nanos > limit,
            percentage_used=round(status.spent_nanos * _PERCENT / limit, 2) if limit else 0.0,
        )


class SpentBudgetView(View):
    """What was spent of one budget in one period."""

    scope: Annotated[str, Field(examples=["app"], description="app, llm or app_llm")]
    app_id: Annotated[int | None, Field(examples=[2])]
    llm_id: int | None
    spent_nanos: int
    prompt_tokens: int
    response_tokens: int
    requests_count: int
    period_start: At
    period_end: At

    @classmethod
    def of(cls, spent: SpentBudget) -> Self:
        """The view of one."""
        return cls(
            scope=spent.scope,
            app_id=spent.app_id,
            llm_id=spent.llm_id,
            spent_nanos=spent.spent_nanos,
            prompt_tokens=spent.prompt_tokens,
            response_tokens=spent.response_tokens,
            requests_count=spent.requests_count,
            period_start=at(spent.period_start),
            period_end=at(spent.period_end),
        )


class OverBudgetView(View):
    """An app that spent more than it may."""

    app_id: Annotated[int, Field(examples=[2])]
    app_name: Annotated[str, Field(examples=["bench"])]
    monthly_budget: Amount
    current_spent: Amount
    over_by_amount: Amount


class BudgetOverviewView(View):
    """All budgets together, each in its own present period."""

    apps_with_budgets: int
    total_budget_allocated: Amount
    total_budget_allocated_nanos: int
    total_spent_this_month: Amount
    total_spent_this_month_nanos: int
    apps_over_budget: list[OverBudgetView]
    period_start: Annotated[At | None, Field(description="the earliest of them")]
    period_end: Annotated[At | None, Field(description="the latest of them")]

    @classmethod
    def of(cls, overview: BudgetOverview) -> Self:
        """The view of it."""
        statuses = overview.statuses
        allocated = sum(status.limit_nanos for status in statuses)
        spent = sum(status.spent_nanos for status in statuses)
        return cls(
            apps_with_budgets=len(statuses),
            total_budget_allocated=format_nanos(allocated),
            total_budget_allocated_nanos=allocated,
            total_spent_this_month=format_nanos(spent),
            total_spent_this_month_nanos=spent,
            apps_over_budget=[
                _over(status, overview.names.get(status.app_id, ""))
                for status in statuses
                if status.spent_nanos > status.limit_nanos
            ],
            period_start=at_or_none(min((status.period_start for status in statuses), default=None)),
            period_end=at_or_none(max((status.period_end for status in statuses), default=None)),
        )


def _over(status: BudgetStatus, name: str) -> OverBudgetView:
    return OverBudgetView(
        app_id=status.app_id,
        app_name=name,
        monthly_budget=format_nanos(status.limit_nanos),
        current_spent=format_nanos(status.spent_nanos),
        over_by_amount=format_nanos(status.spent_nanos - status.limit_nanos),
    )


def _text(nanos: int | None) -> str | None:
    return None if nanos is None else format_nanos(nanos)
