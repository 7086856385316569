"""The ledger against the truth: what is under way is no difference, what stays is one, in either direction."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.control_client import ControlClient
from collectors.services.budget_truth.ledger import BudgetKey, Comparison, ControlLedger, Spent, usage_of
from collectors.services.budget_truth.tally import Sum, TotalKey
from collectors.settings import ControlSettings
from sluice.sdk.errors import ServiceUnavailable

KEY = BudgetKey("app", "7", 1_000)


def totals(spent: int, corrected: int = 0) -> dict[TotalKey, Sum]:
    """Of app 7."""
    return {TotalKey("app", "7", "p", 1_000, 2_000, "USD"): Sum(spent, corrected)}


def differences(comparison: Comparison, *accounts: tuple[int, int]) -> list[int]:
    """Of each check: (truth, ledger)."""
    found = []
    for truth, ledger in accounts:
        [compared] = comparison.compare({KEY: Spent(ledger, 2_000)}, totals(truth), 0)
        found.append(compared.difference_nanos)
    return found


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=30), st.integers(1, 4))
def test_a_ledger_that_follows_within_the_checks_never_differs(steps: list[tuple[int, int]], checks: int) -> None:
    """Constant traffic: the ledger has each nano at most one check later than the truth, and is never ahead."""
    comparison = Comparison(checks)
    truth, accounts = 0, []
    for spent, late in steps:
        before, truth = truth, truth + spent
        accounts.append((truth, max(before, truth - late)))
    assert set(differences(comparison, *accounts)) == {0}


def test_more_in_the_ledger_is_told_when_it_has_stayed() -> None:
    """Not before so many checks; the least of what was seen is what stayed."""
    assert differences(Comparison(3), (10, 10), (10, 10), (10, 15), (10, 14), (10, 19), (10, 10)) == [0, 0, 0, 0, 4, 0]


def test_less_in_the_ledger_is_told_when_it_has_stayed() -> None:
    """What the truth had some checks ago the ledger has not now."""
    accounts = [(10, 10), (10, 10), (10, 10), (16, 10), (20, 14), (20, 14), (20, 14), (20, 14)]
    assert differences(Comparison(2), *accounts) == [0, 0, 0, 0, 0, -2, -6, -6]


def test_what_was_spent_before_there_was_a_budget_is_no_difference() -> None:
    """The first checks of a budget tell it, and it does not move afterwards."""
    comparison = Comparison(2)
    assert differences(comparison, (105, 2), (107, 7), (109, 9), (109, 9), (109, 9)) == [0] * 5
    assert differences(comparison, (120, 9), (120, 9), (120, 9)) == [0, 0, -11]
    assert differences(comparison, (120, 125), (120, 125)) == [0, 5]


def test_a_tolerance_is_one() -> None:
    """Up to it, and not beyond."""
    assert differences(Comparison(1, tolerance_nanos=5), (10, 10), (10, 15), (10, 16)) == [0, 0, 6]


def test_corrections_and_periods_that_are_not_covered_are_left_out() -> None:
    """The ledger knows nothing of the ones, the truth not all of the others."""
    assert usage_of(totals(70, corrected=-30)) == {KEY: 100}
    assert Comparison(1).compare({KEY: Spent(5, 2_000)}, totals(1), 1_001) == []


def ledger(answers: dict[int, Any]) -> ControlLedger:
    """A control API that answers page by page."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = answers.get(int(request.url.params["page"]))
        return httpx.Response(404) if found is None else httpx.Response(200, json=found)

    settings = ControlSettings.model_validate({"url": "http://control", "token": "t"})
    made = ControlLedger(settings)
    made._client = ControlClient(settings, httpx.MockTransport(answer))
    return made


def row(app: int, **changes: Any) -> dict[str, Any]:
    """As the API says it."""
    times = {"period_start": "2026-11-01T00:00:00.000000Z", "period_end": "2026-12-01T00:00:00.000000Z"}
    return {"scope": "app", "app_id": app, "llm_id": None, "spent_nanos": 2**62, **times, **changes}


async def test_all_pages_of_all_scopes_are_read() -> None:
    """Exactly; an app on an LLM is called as in events."""
    first = {"data": [row(each) for each in range(1, 101)]}
    last = {"data": [row(1, scope="app_llm", llm_id=3), row(1, scope="llm", app_id=None, llm_id=3)]}
    books = await ledger({1: first, 2: last}).spent(0)
    assert len(books) == 102
    start = 1_793_491_200_000_000
    assert books[BudgetKey("app_llm", "1:3", start)] == Spent(2**62, 1_796_083_200_000_000)
    assert BudgetKey("llm", "3", start) in books


@pytest.mark.parametrize(
    "answer",
    [
        [], {"data": None}, {"data": [7]}, {"data": [{}]}, {"data": [row(1, spent_nanos="5")]},
        {"data": [row(1, spent_nanos=True)]}, {"data": [row(1, scope="planet")]}, {"data": [row(1, period_start="x")]},
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_is_unavailable(answer: Any) -> None:
    """Never a crash, never a sum of garbage."""
    with pytest.raises(ServiceUnavailable, match="a form that is not its own"):
        await ledger({1: answer}).spent(0)
