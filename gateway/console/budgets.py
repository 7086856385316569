"""Budgets: how much of each is spent, at what pace, and when it will be gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from gateway.console.answers import answer
from gateway.console.door import Looking, parts_of
from gateway.console.forecast import forecast
from gateway.control.api.fields import MAX_ID
from sluice.clock import now_micros

if TYPE_CHECKING:
    from gateway.console.parts import ConsoleParts
    from gateway.control.api.services import BudgetStatus

router = APIRouter()
MAX_SHOWN = 200
_HISTORY_MICROS = 400 * 86_400 * 1_000_000
_Search = Annotated[str, Query(max_length=200)]


@router.get("/budgets")
async def list_budgets(_visitor: Looking, request: Request, search: _Search = "") -> Response:
    """The present period of every app with a budget, the most used first; ``MAX_SHOWN`` of them, and how many match."""
    parts, now = parts_of(request), now_micros()
    found = [_shown(status, parts, now) for status in await parts.services.budgets.overview()]
    wanted = [each for each in found if search.casefold() in each["name"].casefold()]
    wanted.sort(key=lambda each: (-each["used"], each["app_id"]))
    shown = {
        "budgets": wanted[:MAX_SHOWN],
        "matching": len(wanted),
        "total": len(found),
        "over": sum(each["used"] >= 1 for each in found),
        "at_risk": sum(each["used"] < 1 and each["exhausted_at"] is not None for each in found),
        "now": now,
    }
    return answer(shown)


@router.get("/budgets/{app_id}")
async def read_budget(app_id: Annotated[int, Path(ge=1, le=MAX_ID)], _visitor: Looking, request: Request) -> Response:
    """An app's budget now, those it has for single LLMs, and the periods before."""
    parts, now = parts_of(request), now_micros()
    budgets, app = parts.services.budgets, await parts.services.store.apps.get(app_id)
    history = await budgets.history(app_id, now - _HISTORY_MICROS, now)
    by_llm = [await budgets.status(app_id, link.llm_id) for link in app.llms if link.monthly_budget_nanos]
    shown = {
        "app": _shown(await budgets.status(app_id), parts, now),
        "time_zone": app.time_zone,
        "llms": [_shown(status, parts, now) for status in by_llm],
        "history": [_shown(status, parts, now) for status in history],
        "now": now,
    }
    return answer(shown)


def _shown(status: BudgetStatus, parts: ConsoleParts, now: int) -> dict[str, Any]:
    ahead = forecast(status, now)
    name = parts.names.app(status.app_id)
    llm = None if status.llm_id is None else parts.names.llm(status.llm_id)
    return {
        "app_id": status.app_id,
        "name": name,
        "llm": llm,
        "limit_nanos": status.limit_nanos,
        "spent_nanos": status.spent_nanos,
        "held_nanos": status.granted_nanos,
        "stranded_nanos": status.stranded_nanos,
        "used": status.spent_nanos / status.limit_nanos if status.limit_nanos else 0.0,
        "elapsed": ahead.elapsed,
        "forecast_nanos": ahead.end_nanos,
        "exhausted_at": ahead.exhausted_at,
        "requests": status.requests_count,
        "prompt_tokens": status.prompt_tokens,
        "response_tokens": status.response_tokens,
        "period_start": status.period_start,
        "period_end": status.period_end,
    }
