"""Budgets: what apps may spend, and what they spent."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import Field

from gateway.control.api.call import CallOf
from gateway.control.api.envelopes import Many, One, Timed
from gateway.control.api.fields import MAX_ID, Body, Money, ResetDay, example
from gateway.control.api.paging import PageQuery, by_ids
from gateway.control.api.paging import Query as QueryModel
from gateway.control.api.renderer import Answer
from gateway.control.api.report_views import BudgetOverview, BudgetOverviewView, BudgetView, SpentBudgetView
from gateway.control.api.route import control_router
from gateway.control.api.times import MONTH_MICROS, At, TimeQuery, range_of
from gateway.control.api.views import AppView

router = control_router("budgets")
AppId = Annotated[int, Path(ge=1, le=MAX_ID)]
_LlmId = Annotated[int, Field(ge=1, le=MAX_ID)]


class BudgetChange(Body):
    """What the app may spend a month, and when a month begins."""

    model_config = example({"monthly_budget": "12.50", "budget_reset_day": 1}, is_change=True)

    monthly_budget: Money
    """0 is no limit."""
    budget_reset_day: ResetDay = 1


class UsageQuery(QueryModel):
    """On which LLM; without one all together."""

    llm_id: _LlmId | None = None


class SpentQuery(PageQuery):
    """In which periods."""

    ended_after: At | None = None
    """By default all there are."""


class HistoryQuery(TimeQuery):
    """When, and on which LLM; without one all together."""

    llm_id: _LlmId | None = None


@router.get("/budgets", name="budget.overview", response_model=One[BudgetOverviewView])
async def read_budgets(call: CallOf) -> Response:
    """All budgets of apps together, and the apps that are over theirs."""
    statuses = await call.services.budgets.overview()
    over = [status.app_id for status in statuses if status.spent_nanos > status.limit_nanos]
    names = {app.id: app.name for app in (await by_ids(call.store.apps, over)).values()}
    return await call.answer(Answer(data=BudgetOverview(statuses, names)))


@router.get("/budgets/spent", name="budget.spent", response_model=Many[SpentBudgetView])
async def read_spent(query: Annotated[SpentQuery, Query()], call: CallOf) -> Response:
    """What the ledger has of every budget in every period, exactly: for whoever compares it with the events."""
    found, total = await call.services.budgets.spent(query.ended_after or 0, query.page, query.limit)
    return await call.listed(found, total, query)


@router.get("/budgets/{app_id}/usage", name="budget.read", response_model=One[BudgetView])
async def read_budget(app_id: AppId, query: Annotated[UsageQuery, Query()], call: CallOf) -> Response:
    """What an app spent in its present period."""
    await call.store.apps.get(app_id)
    return await call.answer(Answer(data=await call.services.budgets.status(app_id, query.llm_id)))


@router.get("/budgets/{app_id}/history", name="budget.history", response_model=Timed[list[BudgetView]])
async def read_budget_history(app_id: AppId, query: Annotated[HistoryQuery, Query()], call: CallOf) -> Response:
    """What an app spent in each period of a time, by default of the last month; newest first."""
    await call.store.apps.get(app_id)
    start, end = range_of(query, MONTH_MICROS)
    found = await call.services.budgets.history(app_id, start, end, query.llm_id)
    return await call.answer(Answer(data=tuple(found), time_range=(start, end)))


@router.put("/budgets/{app_id}", name="budget.updated", response_model=One[AppView])
async def update_budget(app_id: AppId, body: BudgetChange, call: CallOf) -> Response:
    """Change an app's budget; holds from the next request on."""
    values: dict[str, int] = {"monthly_budget_nanos": body.monthly_budget}
    if "budget_reset_day" in body.model_fields_set:
        values["budget_reset_day"] = body.budget_reset_day
    return await call.changed_entity(await call.store.apps.update(app_id, values, call.actor, call.if_version))
