"""Figures of events and budgets: nothing is missing where events lack something, and currencies are not mixed."""

from __future__ import annotations

from unittest.mock import ANY

from gateway.control.api.reference.usage import budget_row, cost, event_row, overview_row, stats_row
from gateway.control.api.report_views import BudgetOverview
from gateway.control.api.services import BudgetStatus
from gateway.control.api.usage_views import Event
from sluice.eventstore.queries import Bodies, Costs, DayFigures, LlmFigures, LlmStats, Summary
from tests.gateway.control.api.harness import Api
from tests.gateway.control.api.reference.examples import AT, MOCK_GPT, with_llm_and_app


def test_an_event_that_was_refused_has_zeros() -> None:
    """Where ours are null, scripts add numbers up; its outcome is the error."""
    row = event_row(Event({"event_id": "e", "occurred_at": 1, "outcome": "rate_limited", "llm_id": None}))
    assert (row["Cost"], row["TotalTokens"], row["StatusCode"], row["LLMID"]) == (0, 0, 0, None)
    assert row["ErrorMessage"] == "rate_limited"


def test_a_cost_is_ten_thousand_times_the_amount() -> None:
    """As scripts divide it."""
    assert cost(1_000_000_000) == 10_000
    assert cost(109_800) == 1.098


def test_one_number_is_of_one_currency() -> None:
    """The one with the largest sum; the others stand beside it."""
    row = stats_row(LlmStats(2, 3, {"EUR": 100_000, "USD": 200_000}))
    assert (row["total_cost"], row["OtherCurrencies"]) == (2, {"EUR": 1})
    assert stats_row(LlmStats(0, 0, {}))["total_cost"] == 0


def test_without_a_budget_nothing_is_over_it() -> None:
    """A limit of 0 is none."""
    row = budget_row(BudgetStatus(app_id=1, limit_nanos=0, spent_nanos=5, period_start=1, period_end=2))
    assert (row["IsOverBudget"], row["PercentageUsed"], row["RemainingBudget"]) == (False, 0, 0)


def test_no_budgets_have_no_period() -> None:
    """Null, not the beginning of time."""
    row = overview_row(BudgetOverview([], {}))
    assert (row["apps_over_budget"], row["period_start"], row["period_end"]) == ([], None, None)


async def test_events(api: Api) -> None:
    """The newest first, with pages; costs ten thousand times the amount."""
    event = {
        "event_id": "019a-a",
        "request_id": "proxy_2_1",
        "app_id": 2,
        "llm_id": 1,
        "user_id": None,
        "model_name": "gpt-4o-mini",
        "vendor": "openai",
        "choices": 1,
        "tool_calls": 0,
        "currency": "USD",
        "response_code": 200,
        "outcome": "ok",
        "prompt_tokens": 12,
        "response_tokens": 180,
        "total_tokens": 192,
        "cache_write_prompt_tokens": 0,
        "cache_read_prompt_tokens": None,
        "cost_nanos": 109_800,
        "total_micros": 5_300,
        "occurred_at": AT,
    }
    api.events.items = [event]
    row = {
        "ID": "019a-a",
        "RequestID": "proxy_2_1",
        "AppID": 2,
        "LLMID": 1,
        "CredentialID": None,
        "UserID": 0,
        "Name": "gpt-4o-mini",
        "Vendor": "openai",
        "InteractionType": "proxy",
        "Choices": 1,
        "ToolCalls": 0,
        "ChatID": "",
        "Currency": "USD",
        "Endpoint": "",
        "Method": "",
        "StatusCode": 200,
        "PromptTokens": 12,
        "ResponseTokens": 180,
        "TotalTokens": 192,
        "CacheWritePromptTokens": 0,
        "CacheReadPromptTokens": 0,
        "Cost": 1.098,
        "TotalTimeMS": 5,
        "ErrorMessage": "",
        "Metadata": None,
        "TimeStamp": ANY,
        "CreatedAt": ANY,
    }
    pages = {"limit": 3, "page": 1, "total": 1, "total_pages": 1}
    found = await api.get("/analytics/events", params={"app_id": 2, "limit": 3})
    assert found == {"data": [row], "pagination": pages}


async def test_bodies_of_an_event(api: Api) -> None:
    """Each side by itself; empty where it was not kept."""
    texts = (b'{"a": 1}', "application/json", False, False)
    api.events.kept["1"] = Bodies("1", "POST", "/v1/chat", 200, AT, *texts, None, "", False, False)
    request = {"endpoint": "/v1/chat", "event_id": "1", "method": "POST", "request_body": '{"a": 1}', "timestamp": ANY}
    response = {"endpoint": "/v1/chat", "event_id": "1", "response_body": "", "status_code": 200, "timestamp": ANY}
    assert await api.get("/analytics/events/1/request") == {"data": request}
    assert await api.get("/analytics/events/1/response") == {"data": response}


async def test_costs(api: Api) -> None:
    """By the LLM's name, by its slug where it is gone; an amount in another currency is not added to it."""
    await api.post("/llms", MOCK_GPT)
    llm = LlmFigures(1, "mock-gpt", 6, 768, {"USD": 439_200})
    api.events.spent = Costs(6, {"USD": 439_200}, {"USD": 73_200}, (llm,), (), (), models_cut=False)
    data = {
        "TotalCost": 4.392,
        "CostByLLM": {"Mock GPT": 4.392},
        "CostByDay": None,
        "PromptTokensCost": 0,
        "CompletionTokensCost": 0,
        "AverageCostPerRequest": 0.732,
    }
    times = {"end_time": ANY, "start_time": ANY}
    assert await api.get("/analytics/costs", params={"app_id": 2}) == {"data": data, "time_range": times}
    gone, day = LlmFigures(9, "gone", 1, 1, {"EUR": 100_000}), DayFigures("2026-11-01", 7, 769, {"USD": 439_200})
    total = {"USD": 439_200, "EUR": 100_000}
    api.events.spent = Costs(7, total, {"USD": 62_743}, (llm, gone), (day,), (), models_cut=False)
    several = (await api.get("/analytics/costs", params={"app_id": 2}))["data"]
    assert several["TotalCost"] == 4.392
    assert several["OtherCurrencies"] == {"EUR": 1}
    assert several["CostByLLM"] == {"Mock GPT": 4.392, "gone": 0}
    assert several["CostByDay"] == {"2026-11-01": 4.392}


async def test_summary(api: Api) -> None:
    """Which the reference cannot answer; its names are the specified ones."""
    outcomes = {"ok": 5, "upstream_error": 1}
    api.events.found = Summary(6, outcomes, 1, 2, 3, {"USD": 439_200}, 12.5, 0.5, (), models_cut=False)
    data = {
        "TotalRequests": 6,
        "SuccessfulRequests": 5,
        "FailedRequests": 1,
        "TotalTokens": 3,
        "TotalCost": 4.392,
        "AverageLatency": 12.5,
        "RequestsPerHour": 0.5,
        "TopEndpoints": None,
        "ErrorStats": {"upstream_error": 1},
    }
    assert (await api.get("/analytics/summary", params={"app_id": 2}))["data"] == data


async def test_budgets(api: Api) -> None:
    """The status in its capitals, the overview and the history in lower case; amounts are plain."""
    await with_llm_and_app(api)
    status = BudgetStatus(
        app_id=2,
        limit_nanos=10_000_000_000,
        spent_nanos=12_500_000_000,
        prompt_tokens=1,
        response_tokens=2,
        requests_count=3,
        period_start=AT,
        period_end=AT + 1,
    )
    api.budgets.statuses = [status]
    assert (await api.get("/budgets/2/usage"))["data"] == {
        "AppID": 2,
        "LLMID": None,
        "MonthlyBudget": 10,
        "CurrentUsage": 12.5,
        "RemainingBudget": 0,
        "TokensUsed": 3,
        "RequestsCount": 3,
        "PeriodStart": ANY,
        "PeriodEnd": ANY,
        "IsOverBudget": True,
        "PercentageUsed": 125,
    }
    over = {"app_id": 2, "app_name": "bench", "monthly_budget": 10, "current_spent": 12.5, "over_by_amount": 2.5}
    assert (await api.get("/budgets"))["data"] == {
        "apps_with_budgets": 1,
        "total_budget_allocated": 10,
        "total_spent_this_month": 12.5,
        "apps_over_budget": [over],
        "period_start": ANY,
        "period_end": ANY,
    }
    times = {"start_time": "2020-01-01T00:00:00Z", "end_time": "2029-01-01T00:00:00Z"}
    (row,) = (await api.get("/budgets/2/history", params=times))["data"]
    assert (row["total_cost"], row["completion_tokens"], row["tokens_used"]) == (12.5, 2, 3)
    changed = await api.put("/budgets/2", {"monthly_budget": 10})
    assert changed == {"message": "Budget updated successfully"}
