"""What Elasticsearch is asked: values stay values, and empty conditions match what they should."""

from __future__ import annotations

import json

import pytest

from sluice.eventstore.panels.buckets import buckets_of
from sluice.eventstore.panels.cells import Pass
from sluice.eventstore.panels.query import Filter, Measure
from sluice.eventstore.panels.requests import body_of, chosen_clause, clauses_of, found_of, where_of

NOTHING: dict[str, object] = {"match_none": {}}


def test_wildcards_of_a_reader_are_letters() -> None:
    """``*``, ``?`` and the backslash are looked for, not obeyed."""
    [clause] = where_of("analytics", [Filter("model_name", "contains", ("a*?\\",))])
    assert clause["bool"]["should"] == [{"wildcard": {"model_name": {"value": "*a\\*\\?\\\\*"}}}]


@pytest.mark.parametrize(
    ("found", "clause"),
    [
        (Filter("vendor", "is", ("\0",)), NOTHING),
        (Filter("llm_id", "range", (5, 1)), NOTHING),
        (Filter("llm_id", "range", (None, None)), {"exists": {"field": "llm_id"}}),
        (Filter("vendor", "not", ("\0",)), {"bool": {"must_not": []}}),
    ],
)
def test_what_cannot_be_is_nothing_or_all(found: Filter, clause: object) -> None:
    """A value that no index holds is in no event, and so not in all of them."""
    assert where_of("analytics", [found]) == (clause,)


def test_chosen_groups_are_their_values_and_the_missing() -> None:
    """One field is a list of terms; two are pairs."""
    missing = {"bool": {"must_not": [{"exists": {"field": "vendor"}}]}}
    one = chosen_clause(["vendor"], [("a",), (None,)])
    assert one["bool"]["should"] == [{"terms": {"vendor": ["a"]}}, missing]
    two = chosen_clause(["vendor", "app_id"], [(None, 1)])
    assert two["bool"]["should"] == [{"bool": {"filter": [missing, {"term": {"app_id": 1}}]}}]


def test_a_body_has_keys_then_times_then_measures_and_no_script() -> None:
    """So it works where scripts are forbidden."""
    buckets = buckets_of(0, 120_000_000, "1m", "UTC")
    measures = (Measure("sum", "total_tokens"), Measure("percentiles", "total_micros", (50,)), Measure())
    asked = Pass("analytics", 0, 120_000_000, (), measures, ("vendor",), buckets=buckets, most=9)
    body = body_of(asked, ("vendor",), clauses_of(asked))
    times = body["aggs"]["groups"]["aggs"]["times"]
    assert body["aggs"]["groups"]["composite"]["size"] == 10
    assert times["date_range"]["ranges"] == [{"from": "0", "to": "60000"}, {"from": "60000", "to": "120000"}]
    assert set(times["aggs"]) == {"0", "1", "2"}
    assert "script" not in json.dumps(body)


def test_empty_buckets_and_missing_indices_are_no_cells() -> None:
    """What holds no event is not there."""
    asked = Pass("analytics", 0, 1, (), (Measure(),))
    assert list(found_of({"hits": {"total": {"value": 0}}}, asked, ())) == []
    answer = {"hits": {"total": {"value": 0}}, "aggregations": {"0": {"doc_count": 0}}}
    assert list(found_of(answer, asked, ())) == []
