"""Each kind of panel as Grafana draws it; that its searches are right is held in ``test_plans``."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.eventstore.dashboards.definitions import load_dashboard, load_dashboards
from sluice.eventstore.exports.grafana_panels import grafana_panel
from sluice.eventstore.exports.plans import Plan, plan_of, plans_of

PLANS = [plan for dashboard in load_dashboards() for plan in plans_of(dashboard)]
SOURCE = {"type": "elasticsearch", "uid": "u"}


def drawn(dashboard: str, panel: str) -> dict[str, Any]:
    """A panel."""
    return grafana_panel(plan_of(load_dashboard(dashboard).panel(panel)), SOURCE, "*:*")


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.panel.name)
def test_targets_are_what_the_data_source_knows(plan: Plan) -> None:
    """Buckets are never empty, ids stand once, terms are ordered by a metric that there is, one target is shown."""
    panel = grafana_panel(plan, SOURCE, "*:*")
    targets = panel["targets"]
    assert len({target["refId"] for target in targets}) == len(targets)
    assert sum(not target.get("hide") for target in targets) == 1
    for target in targets:
        if target["datasource"] != SOURCE:
            continue
        ids = [each["id"] for each in (*target["metrics"], *target["bucketAggs"])]
        assert target["bucketAggs"]
        assert len(set(ids)) == len(ids)
        orders = [each["settings"]["orderBy"] for each in target["bucketAggs"] if each["type"] == "terms"]
        assert all(order == "_count" or order.partition("[")[0] == "1" for order in orders)
        assert all(each["type"] != "date_histogram" for each in target["bucketAggs"][:-1])


def test_a_share_is_one_by_the_other() -> None:
    """Over time bucket by bucket; of the whole range sum by sum, not a mean of shares."""
    timed = [target.get("expression") for target in drawn("latency", "failed_share")["targets"]]
    assert timed == [None, None, "$A / $B"]
    whole = drawn("overview", "failed_share")["targets"]
    assert [target.get("expression") for target in whole] == [None, None, "A", "B", "$C / $D"]
    assert [target.get("reducer") for target in whole[2:4]] == ["sum", "sum"]


def test_figures_are_of_the_whole_range() -> None:
    """One bucket for all, or one for each currency; a percentile of percentiles would be none."""
    assert drawn("overview", "latency")["targets"][0]["bucketAggs"][0]["type"] == "filters"
    assert [each["field"] for each in drawn("spend", "cost")["targets"][0]["bucketAggs"]] == ["currency"]
    rate = drawn("budgets", "burn")
    assert rate["options"]["reduceOptions"]["calcs"] == ["mean"]
    assert rate["targets"][0]["bucketAggs"][-1]["settings"]["interval"] == "1h"


def test_units_and_legends() -> None:
    """Times in µs, shares in percent; a series is called by its groups, and by its figure where there are several."""
    assert drawn("latency", "latency")["fieldConfig"]["defaults"]["unit"] == "µs"
    assert drawn("latency", "failed_share")["fieldConfig"]["defaults"]["unit"] == "percentunit"
    assert drawn("overview", "cost_by_app")["targets"][0]["alias"] == "{{term app_id}} {{term currency}}"
    assert drawn("latency", "upstream")["targets"][0]["alias"] == "{{metric}} {{field}}"
    assert drawn("budgets", "burn_by_app")["fieldConfig"]["defaults"].get("min") is None
