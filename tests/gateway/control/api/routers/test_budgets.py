"""Budgets over REST: what may be spent is the app's, what was spent is the ledger's."""

from __future__ import annotations

from typing import Any

from gateway.control.api.services import BudgetStatus, SpentBudget
from tests.gateway.control.api.harness import Api

NOVEMBER, DECEMBER = 1_793_491_200_000_000, 1_796_083_200_000_000


def status(app_id: int, limit: int, spent: int, **values: Any) -> BudgetStatus:
    """One of November 2026."""
    made = {"prompt_tokens": 7, "response_tokens": 3, "requests_count": 2, **values}
    return BudgetStatus(
        app_id=app_id, limit_nanos=limit, spent_nanos=spent, period_start=NOVEMBER, period_end=DECEMBER, **made
    )


async def test_a_status_says_all_of_it(api: Api) -> None:
    """Exact money as text and as nanos, tokens, requests, the period."""
    api.budgets.statuses = [status(1, 10_000_000_000, 2_500_000_001, granted_nanos=5, stranded_nanos=1)]
    assert (await api.get("/budgets/1/usage"))["data"] == {
        "app_id": 1,
        "llm_id": None,
        "monthly_budget": "10",
        "monthly_budget_nanos": 10_000_000_000,
        "current_usage": "2.500000001",
        "current_usage_nanos": 2_500_000_001,
        "remaining_budget": "7.499999999",
        "remaining_budget_nanos": 7_499_999_999,
        "granted_nanos": 5,
        "stranded_nanos": 1,
        "tokens_used": 10,
        "prompt_tokens": 7,
        "response_tokens": 3,
        "requests_count": 2,
        "period_start": "2026-11-01T00:00:00.000000Z",
        "period_end": "2026-12-01T00:00:00.000000Z",
        "is_over_budget": False,
        "percentage_used": 25.0,
    }


async def test_no_limit_is_null(api: Api) -> None:
    """Not zero: whoever asks whether something is left must not be told that nothing is."""
    api.budgets.statuses = [status(1, 0, 5)]
    found = (await api.get("/budgets/1/usage"))["data"]
    assert (found["monthly_budget"], found["remaining_budget"], found["is_over_budget"]) == (None, None, False)


async def test_remaining_is_never_below_zero(api: Api) -> None:
    """Over the limit is over the limit; at it is not."""
    api.budgets.statuses = [status(1, 10, 11), status(1, 10, 10, llm_id=3)]
    over = (await api.get("/budgets/1/usage"))["data"]
    assert (over["remaining_budget_nanos"], over["is_over_budget"]) == (0, True)
    on_llm = (await api.get("/budgets/1/usage?llm_id=3"))["data"]
    assert (on_llm["remaining_budget_nanos"], on_llm["is_over_budget"], on_llm["llm_id"]) == (0, False, 3)


async def test_a_budget_is_changed_by_app(api: Api) -> None:
    """Zero takes it away; nothing else of the app changes."""
    app = await api.app(description="kept")
    path = f"/budgets/{app['id']}"
    answer = await api.put(path, {"monthly_budget": "12.5", "budget_reset_day": 3})
    assert answer["message"] == "Budget updated successfully"
    assert (await api.store.apps.get(app["id"])).monthly_budget_nanos == 12_500_000_000
    kept = (await api.put(path, {"monthly_budget": 0}))["data"]
    assert (kept["monthly_budget"], kept["budget_reset_day"], kept["description"]) == ("0", 3, "kept")
    for bad in (
        {},
        {"monthly_budget": -1},
        {"monthly_budget": 1, "budget_reset_day": 31},
        {"monthly_budget": 1, "x": 1},
    ):
        await api.put(path, bad, 400)
    await api.put("/budgets/99", {"monthly_budget": 1}, 404)
    await api.put(path, {"monthly_budget": 1}, 412, headers={"if-match": '"1"'})


async def test_the_overview_adds_up(api: Api) -> None:
    """Every app with a budget; those over it by name and by how much."""
    await api.app()
    api.budgets.statuses = [status(1, 10**10, 10**9), status(2, 10**9, 3 * 10**9)]
    assert (await api.get("/budgets"))["data"] == {
        "apps_with_budgets": 2,
        "total_budget_allocated": "11",
        "total_budget_allocated_nanos": 11 * 10**9,
        "total_spent_this_month": "4",
        "total_spent_this_month_nanos": 4 * 10**9,
        "apps_over_budget": [
            {"app_id": 2, "app_name": "bench", "monthly_budget": "1", "current_spent": "3", "over_by_amount": "2"}
        ],
        "period_start": "2026-11-01T00:00:00.000000Z",
        "period_end": "2026-12-01T00:00:00.000000Z",
    }


async def test_an_overview_of_nothing(api: Api) -> None:
    """No period either."""
    found = (await api.get("/budgets"))["data"]
    assert (found["apps_with_budgets"], found["period_start"]) == (0, None)


async def test_sums_beyond_64_bits_are_sums(api: Api) -> None:
    """Python's integers and JSON's numbers have no end."""
    api.budgets.statuses = [status(1, 2**63 - 1, 1) for _ in range(4)]
    assert (await api.get("/budgets"))["data"]["total_budget_allocated_nanos"] == 4 * (2**63 - 1)


async def test_history_is_of_a_time(api: Api) -> None:
    """Newest first, with the range that was asked for."""
    api.budgets.statuses = [status(1, 10, 5)]
    times = {"start_time": "2026-11-10T00:00:00Z", "end_time": "2026-11-11T00:00:00+01:00"}
    found = await api.get("/budgets/1/history", params=times)
    assert found["time_range"] == {
        "start_time": "2026-11-10T00:00:00.000000Z",
        "end_time": "2026-11-10T23:00:00.000000Z",
    }
    assert [each["current_usage_nanos"] for each in found["data"]] == [5]
    assert (await api.get("/budgets/1/history?end_time=2020-01-01T00:00:00Z"))["data"] == []


BAD_TIMES: list[Any] = [
    "start_time=x",
    "start_time=2026-11-10",
    "start_time=2026-11-10T00:00:00Z&end_time=2026-11-10T00:00:00Z",
    "start_time=1971-01-01T00:00:00Z",
    "llm_id=0",
    "llm_id=x",
    "app_id=1",
    "end_time=0000-00-00T00:00:00Z",
    "end_time=1900-01-01T00:00:00Z",
]


async def test_a_time_that_is_none_is_refused(api: Api) -> None:
    """By its parameter; unknown ones too."""
    for query in BAD_TIMES:
        assert (await api.get(f"/budgets/1/history?{query}", 400))["field"] in query
    await api.get("/budgets/99/history", 404)
    await api.get("/budgets/99/usage", 404)


async def test_what_was_spent_is_told_of_every_scope_exactly(api: Api) -> None:
    """Nanos of every budget in every period, in pages, of those periods that ended after the moment."""
    made = {"prompt_tokens": 1, "response_tokens": 2, "requests_count": 3, "period_start": NOVEMBER}
    api.budgets.books = [
        SpentBudget(scope="app", app_id=1, llm_id=None, spent_nanos=2**60 + 1, period_end=DECEMBER, **made),
        SpentBudget(scope="llm", app_id=None, llm_id=3, spent_nanos=5, period_end=DECEMBER, **made),
        SpentBudget(scope="app_llm", app_id=1, llm_id=3, spent_nanos=7, period_end=DECEMBER + 1, **made),
    ]
    found = await api.get("/budgets/spent?page=1&limit=2")
    assert found["pagination"] == {"page": 1, "limit": 2, "total": 3, "total_pages": 2}
    assert found["data"][0] == {
        "scope": "app", "app_id": 1, "llm_id": None, "spent_nanos": 2**60 + 1, "prompt_tokens": 1,
        "response_tokens": 2, "requests_count": 3, "period_start": "2026-11-01T00:00:00.000000Z",
        "period_end": "2026-12-01T00:00:00.000000Z",
    }  # fmt: skip
    later = (await api.get("/budgets/spent?ended_after=2026-12-01T00:00:00Z"))["data"]
    assert [each["scope"] for each in later] == ["app_llm"]
    await api.get("/budgets/spent?ended_after=yesterday", 400)
