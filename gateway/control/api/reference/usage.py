"""What happened and what it cost, as the reference shows it.

Its costs of exchanges are ten thousand times an amount, and scripts divide by that; budgets are plain amounts. One
number cannot be of two currencies: where there are several it is of the one with the largest sum, and
``OtherCurrencies`` has the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gateway.control.api.reference.rows import Row, amount, number
from gateway.control.api.usage_views import body_view
from gateway.control.api.views import at, at_or_none

if TYPE_CHECKING:
    from gateway.control.api.report_views import BudgetOverview
    from gateway.control.api.services import BudgetStatus
    from gateway.control.api.usage_views import Event, OneBody
    from sluice.eventstore.queries import Costs, DayFigures, LlmFigures, LlmStats, Money, Summary

_NANOS_PER_COST = 100_000
"""A cost of 1 is a ten-thousandth of a currency unit."""
_MICROS_PER_MS = 1000
_PERCENT = 100


def event_row(event: Event) -> Row:
    """An exchange; what its path and bodies were stands in the proxy log alone."""
    found = event.document
    outcome = found.get("outcome", "")
    return {
        "ID": found["event_id"],
        "RequestID": found.get("request_id", ""),
        "AppID": found.get("app_id") or 0,
        "LLMID": found.get("llm_id"),
        "CredentialID": None,
        "UserID": found.get("user_id") or 0,
        "Name": found.get("model_name") or "",
        "Vendor": found.get("vendor", ""),
        "InteractionType": "proxy",
        "Choices": found.get("choices") or 0,
        "ToolCalls": found.get("tool_calls") or 0,
        "ChatID": "",
        "Currency": found.get("currency", ""),
        "Endpoint": "",
        "Method": "",
        "StatusCode": found.get("response_code") or 0,
        **_tokens(found),
        "Cost": cost(found.get("cost_nanos") or 0),
        "TotalTimeMS": (found.get("total_micros") or 0) // _MICROS_PER_MS,
        "ErrorMessage": "" if outcome == "ok" else outcome,
        "Metadata": None,
        "TimeStamp": at(found["occurred_at"]),
        "CreatedAt": at(found["occurred_at"]),
    }


def _tokens(found: Mapping[str, Any]) -> Row:
    return {
        "PromptTokens": found.get("prompt_tokens") or 0,
        "ResponseTokens": found.get("response_tokens") or 0,
        "TotalTokens": found.get("total_tokens") or 0,
        "CacheWritePromptTokens": found.get("cache_write_prompt_tokens") or 0,
        "CacheReadPromptTokens": found.get("cache_read_prompt_tokens") or 0,
    }


def body_row(body: OneBody) -> Row:
    """One side of an exchange; empty where it was not kept."""
    shown = body_view(body).model_dump(mode="json")
    names = {
        "request": ("endpoint", "event_id", "method", "request_body", "timestamp"),
        "response": ("endpoint", "event_id", "response_body", "status_code", "timestamp"),
    }[body.side]
    row = {name: shown[name] for name in names}
    row[f"{body.side}_body"] = row[f"{body.side}_body"] or ""
    return row


def summary_row(summary: Summary) -> Row:
    """How an app fared."""
    return {
        "TotalRequests": summary.requests,
        "SuccessfulRequests": summary.successful,
        "FailedRequests": summary.failed,
        "TotalTokens": summary.total_tokens,
        "TotalCost": _main(summary.cost_nanos),
        "AverageLatency": summary.average_latency_ms or 0,
        "RequestsPerHour": summary.requests_per_hour,
        "TopEndpoints": None,
        "ErrorStats": dict(summary.errors) or None,
        **_others(summary.cost_nanos),
    }


def costs_row(costs: Costs, names: Mapping[int, str]) -> Row:
    """What an app spent; an LLM that is no more goes by its slug."""
    currency = _main_currency(costs.total)
    by_llm = _by_key([(names.get(each.llm_id or 0, each.llm_slug), each) for each in costs.by_llm], currency)
    return {
        "TotalCost": _main(costs.total),
        "CostByLLM": by_llm or None,
        "CostByDay": _by_key([(each.day, each) for each in costs.by_day], currency) or None,
        "PromptTokensCost": 0,
        "CompletionTokensCost": 0,
        "AverageCostPerRequest": cost(costs.average_per_request.get(currency, 0)),
        **_others(costs.total),
    }


def _by_key(figures: Sequence[tuple[str, LlmFigures | DayFigures]], currency: str) -> Row:
    nanos: dict[str, int] = {}
    for key, each in figures:
        nanos[key] = nanos.get(key, 0) + each.cost_nanos.get(currency, 0)
    return {key: cost(spent) for key, spent in nanos.items()}


def stats_row(stats: LlmStats) -> Row:
    """What all apps asked of an LLM."""
    return {
        "request_count": stats.requests,
        "total_cost": _main(stats.cost_nanos),
        "total_tokens": stats.total_tokens,
        **_others(stats.cost_nanos),
    }


def budget_row(status: BudgetStatus) -> Row:
    """A budget in its present period."""
    limit = status.limit_nanos
    return {
        "AppID": status.app_id,
        "LLMID": status.llm_id,
        "MonthlyBudget": amount(limit),
        "CurrentUsage": amount(status.spent_nanos),
        "RemainingBudget": amount(max(limit - status.spent_nanos, 0)),
        "TokensUsed": status.prompt_tokens + status.response_tokens,
        "RequestsCount": status.requests_count,
        "PeriodStart": at(status.period_start),
        "PeriodEnd": at(status.period_end),
        "IsOverBudget": 0 < limit < status.spent_nanos,
        "PercentageUsed": number(status.spent_nanos * _PERCENT / limit) if limit else 0,
    }


def usage_row(status: BudgetStatus) -> Row:
    """What was spent in one period."""
    return {
        "app_id": status.app_id,
        "llm_id": status.llm_id,
        "period_start": at(status.period_start),
        "period_end": at(status.period_end),
        "tokens_used": status.prompt_tokens + status.response_tokens,
        "requests_count": status.requests_count,
        "total_cost": amount(status.spent_nanos),
        "prompt_tokens": status.prompt_tokens,
        "completion_tokens": status.response_tokens,
    }


def overview_row(overview: BudgetOverview) -> Row:
    """All budgets together."""
    statuses = overview.statuses
    over = [status for status in statuses if status.spent_nanos > status.limit_nanos]
    return {
        "apps_with_budgets": len(statuses),
        "total_budget_allocated": amount(sum(status.limit_nanos for status in statuses)),
        "total_spent_this_month": amount(sum(status.spent_nanos for status in statuses)),
        "apps_over_budget": [
            {
                "app_id": status.app_id,
                "app_name": overview.names.get(status.app_id, ""),
                "monthly_budget": amount(status.limit_nanos),
                "current_spent": amount(status.spent_nanos),
                "over_by_amount": amount(status.spent_nanos - status.limit_nanos),
            }
            for status in over
        ],
        "period_start": at_or_none(min((status.period_start for status in statuses), default=None)),
        "period_end": at_or_none(max((status.period_end for status in statuses), default=None)),
    }


def cost(nanos: int) -> int | float:
    """An exchange's cost as a JSON number, the nearest to it."""
    return number(nanos / _NANOS_PER_COST)


def _main_currency(money: Money) -> str:
    return max(sorted(money), key=lambda currency: money[currency], default="")


def _main(money: Money) -> int | float:
    return cost(money.get(_main_currency(money), 0))


def _others(money: Money) -> Row:
    main = _main_currency(money)
    others = {currency: cost(nanos) for currency, nanos in money.items() if currency != main}
    return {"OtherCurrencies": others} if others else {}
