"""From groups to answers: nothing is lost, nothing is rounded but an average, and what is cut is said to be."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.eventstore.figures import BY_OUTCOME, Group, costs_of, llm_stats_of, summary_of
from sluice.eventstore.queries import MAX_GROUPS, EventStoreError, LlmStats

HOUR = 3_600_000_000


def group(*key: Any, requests: int = 1, priced: int = 1, **sums: int) -> Group:
    """A group of these sums, the others 0."""
    return Group(key, requests, priced, {**dict.fromkeys(BY_OUTCOME.summed, 0), **sums})


def test_nothing_adds_up_to_nothing() -> None:
    """No division by it either."""
    summary = summary_of([], [], 0, HOUR)
    assert (summary.requests, summary.average_latency_ms, summary.requests_per_hour) == (0, None, 0.0)
    assert summary_of([], [], HOUR, 0).requests_per_hour == 0.0
    assert costs_of([], [], []).average_per_request == {}
    assert llm_stats_of([]) == LlmStats(0, 0, {})


def test_currencies_are_never_mixed() -> None:
    """Each has its own total, also where a currency has no known cost: it is left out."""
    groups = [
        group(0, "USD", cost_nanos=5, requests=3),
        group(0, "EUR", cost_nanos=7),
        group(1, "GBP", priced=0),
        group(1, "USD", cost_nanos=-1),
    ]
    costs = costs_of(groups, [], [])
    assert (costs.requests, costs.total) == (6, {"USD": 4, "EUR": 7})
    assert [(day.day, day.cost_nanos) for day in costs.by_day] == [
        ("1970-01-01", {"USD": 5, "EUR": 7}),
        ("1970-01-02", {"USD": -1}),
    ]


@pytest.mark.parametrize(
    ("nanos", "requests", "average"), [(5, 2, 2), (7, 2, 4), (10**30 + 1, 2, 5 * 10**29), (-5, 2, -2)]
)
def test_an_average_is_rounded_half_even(nanos: int, requests: int, average: int) -> None:
    """Once, and exactly, however large."""
    costs = costs_of([group(0, "USD", cost_nanos=nanos, requests=requests)], [], [])
    assert costs.average_per_request == {"USD": average}


def test_what_went_well_is_told_from_what_did_not() -> None:
    """By outcome: a plugin's answer is one, a client that left is not served."""
    groups = [group(name, "USD", requests=count) for name, count in (("ok", 5), ("client_closed", 2), ("x", 1))]
    groups += [group("answered_by_plugin", "USD", requests=3), group("ok", "EUR", requests=1)]
    summary = summary_of(groups, [], 0, 2 * HOUR)
    assert (summary.requests, summary.successful, summary.failed) == (12, 9, 3)
    assert summary.errors == {"client_closed": 2, "x": 1}
    assert summary.outcomes == {"ok": 6, "answered_by_plugin": 3, "client_closed": 2, "x": 1}
    assert summary.requests_per_hour == 6.0


def test_the_most_used_models_come_first() -> None:
    """At most ten; of equals by name, nameless first."""
    models = [group(f"m-{number:02d}", "USD", requests=1 + number % 2) for number in range(12)]
    models += [group(None, "USD", requests=1), group("m-01", "EUR", requests=5)]
    names = [model.model_name for model in summary_of([], models, 0, HOUR).top_models]
    assert names == ["m-01", "m-03", "m-05", "m-07", "m-09", "m-11", None, "m-00", "m-02", "m-04"]
    assert len(costs_of([], [], models).by_model) == 13


def test_more_groups_than_fit_are_cut_or_refused_but_never_a_wrong_total() -> None:
    """Models are cut and the answer says so; a total of some days would be a wrong figure."""
    many = [group(f"m-{number}", "USD") for number in range(MAX_GROUPS + 1)]
    costs = costs_of([], [], many)
    assert (costs.models_cut, len(costs.by_model)) == (True, MAX_GROUPS)
    assert not costs_of([], [], many[:-1]).models_cut
    assert summary_of([], many, 0, HOUR).models_cut
    days = [group(number, "USD") for number in range(MAX_GROUPS + 1)]
    for ask in (lambda: costs_of(days, [], []), lambda: llm_stats_of(days), lambda: summary_of(days, [], 0, HOUR)):
        with pytest.raises(EventStoreError, match=r"10,000 .*shorter range"):
            ask()
