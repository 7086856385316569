"""Each kind of chart as Kibana's visualisations: what must be in them for Kibana to draw them."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.eventstore.dashboards.definitions import load_dashboard, load_dashboards
from sluice.eventstore.exports.kibana_charts import chart_of, visualisation
from sluice.eventstore.exports.plans import Plan, plan_of, plans_of

PLANS = [plan for dashboard in load_dashboards() for plan in plans_of(dashboard)]


def drawn(dashboard: str, panel: str) -> dict[str, Any]:
    """A panel's visualisation."""
    return visualisation(plan_of(load_dashboard(dashboard).panel(panel)))


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.panel.name)
def test_aggregations_are_what_kibana_knows(plan: Plan) -> None:
    """Ids stand once, metrics come first, terms are in order of a metric that there is; time is the innermost."""
    made = visualisation(plan)
    aggs = made["aggs"]
    assert len({agg["id"] for agg in aggs}) == len(aggs)
    schemas = [agg["schema"] for agg in aggs]
    assert schemas == sorted(schemas, key=lambda schema: schema != "metric")
    assert set(schemas) <= {"metric", "group", "segment", "bucket"}
    metrics = {agg["id"] for agg in aggs if agg["schema"] == "metric"}
    assert all(agg["params"]["orderBy"].partition(".")[0] in metrics for agg in aggs if agg["type"] == "terms")
    assert all(agg["type"] != "date_histogram" for agg in aggs[:-1])
    assert made["type"] == chart_of(plan) == made["params"].get("type", "table")


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.panel.name)
def test_axes_belong_together(plan: Plan) -> None:
    """Every series is of a metric, and on an axis that is there; else the chart stays empty."""
    made = visualisation(plan)
    if made["type"] not in {"line", "area", "histogram"}:
        assert "seriesParams" not in made["params"]
        return
    metrics = [agg["id"] for agg in made["aggs"] if agg["schema"] == "metric"]
    assert [series["data"]["id"] for series in made["params"]["seriesParams"]] == metrics
    axes = {axis["id"] for axis in made["params"]["valueAxes"]}
    assert {series["valueAxis"] for series in made["params"]["seriesParams"]} == axes


def test_a_share_is_two_filters_of_a_hundred_percent() -> None:
    """Over time, columns in percent; of the whole range, a ring."""
    timed, whole = drawn("latency", "failed_share"), drawn("overview", "failed_share")
    assert (timed["type"], whole["type"]) == ("histogram", "pie")
    assert timed["params"]["valueAxes"][0]["scale"]["mode"] == "percentage"
    for made in (timed, whole):
        [found] = [agg for agg in made["aggs"] if agg["type"] == "filters"]
        assert [each["label"] for each in found["params"]["filters"]] == ["failed", "not failed"]


def test_a_rate_is_the_sum_of_each_hour() -> None:
    """Kibana's figures have no division: what was asked per hour stands by hour."""
    made = drawn("budgets", "burn")
    assert made["type"] == "histogram"
    assert made["aggs"][-1]["params"]["interval"] == "h"


def test_rest_is_shown_as_other_but_not_of_currencies() -> None:
    """Texts have "other" and "(none)"; Kibana cannot put a word beside numbers."""
    kinds = {agg["params"]["field"]: agg["params"] for agg in drawn("overview", "top_models")["aggs"]
             if agg["type"] == "terms"}  # fmt: skip
    assert kinds["model_name"]["otherBucket"]
    assert not kinds["currency"]["otherBucket"]
    by_app = next(agg for agg in drawn("spend", "apps")["aggs"] if agg["type"] == "terms")
    assert not by_app["params"]["missingBucket"]
