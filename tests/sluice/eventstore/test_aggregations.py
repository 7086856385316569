"""What Elasticsearch is asked, and when its sums can be believed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluice.eventstore.aggregations import (
    filters_of,
    filters_of_key,
    groups,
    is_exact,
    key_of,
    sum_of,
    within,
)
from sluice.eventstore.figures import BY_DAY, BY_LLM, Grouping
from sluice.eventstore.scope import END_MICROS, FIRST_MICROS, Scope


def stats_of(values: list[int]) -> dict[str, Any]:
    """As a server computes them: in doubles, one after the other."""
    if not values:
        return {"count": 0, "min": None, "max": None, "sum": 0.0}
    total = 0.0
    for value in values:
        total += float(value)
    return {"count": len(values), "min": float(min(values)), "max": float(max(values)), "sum": total}


AMOUNTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**53), 2**53) | st.integers(0, 2**50)


@given(st.lists(AMOUNTS, max_size=20))
@example([2**53, 1])
@example([2**53, 1, -(2**53)])
@example([2**53 + 1, 2**53 + 1, -(2**54)])
@example([2**51, 2**51 - 1])
def test_a_sum_that_is_believed_is_exact(values: list[int]) -> None:
    """Never a nano off; in doubt it is not believed."""
    found = stats_of(values)
    if is_exact(found):
        assert sum_of(found) == sum(values)


@given(st.lists(st.integers(0, 2**40), max_size=100))
def test_usual_sums_are_believed(values: list[int]) -> None:
    """A hundred exchanges of a thousand units each, and four million units in all, cost no second question."""
    assert is_exact(stats_of(values))
    assert is_exact({"count": 10**9, "min": 0.0, "max": 1e9, "sum": 4e15})


def test_absent_values_sum_to_nothing() -> None:
    """No document has the field."""
    assert (is_exact(stats_of([])), sum_of(stats_of([]))) == (True, 0)


def test_filters_are_the_scope_s() -> None:
    """By id and time; bounds that are none are left out, for the calendar's ends are no dates of Elasticsearch's."""
    assert filters_of(Scope(llm_id=3)) == ({"term": {"llm_id": 3}},)
    app, time = filters_of(Scope.of_app(7, 0, 1_500))
    assert app == {"term": {"app_id": 7}}
    gte, lt = "1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00.001000+00:00"
    assert time == {"range": {"@timestamp": {"gte": gte, "lt": lt}}}
    assert within(FIRST_MICROS, 0) == {"range": {"@timestamp": {"lt": gte}}}
    assert within(0, END_MICROS) == {"range": {"@timestamp": {"gte": gte}}}


def test_a_bucket_s_key_leads_back_to_its_events() -> None:
    """Days are counted from the epoch; what is absent is asked for as absent; the empty name is a name."""
    assert key_of({"key": {"currency": "USD", "day": 86_400_000 * 20_000}}, BY_DAY) == (20_000, "USD")
    absent, slug, currency = filters_of_key(BY_LLM, (None, "", "USD"))
    assert absent == {"bool": {"must_not": {"exists": {"field": "llm_id"}}}}
    assert (slug, currency) == ({"term": {"llm_slug": ""}}, {"term": {"currency": "USD"}})
    day, _ = filters_of_key(BY_DAY, (1, "USD"))
    bounds = {"gte": "1970-01-02T00:00:00+00:00", "lt": "1970-01-03T00:00:00+00:00"}
    assert day == {"range": {"@timestamp": bounds}}


@pytest.mark.parametrize("grouping", [BY_DAY, BY_LLM])
def test_groups_are_bounded_and_hold_what_is_absent(grouping: Grouping) -> None:
    """One more than an answer has, so that it is known where there are more."""
    asked = groups(grouping)
    assert asked["composite"]["size"] == 10_001
    assert asked["aggs"].keys() == {"total_tokens", "cost_nanos"}
    for source in asked["composite"]["sources"]:
        ((name, definition),) = source.items()
        assert name == "day" or definition["terms"]["missing_bucket"] is True
