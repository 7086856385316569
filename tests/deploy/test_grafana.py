"""The dashboard: what Grafana reads, about metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.promql import catalogue, problems_of, spoken_of

DASHBOARD: dict[str, Any] = json.loads((Path(__file__).parents[2] / "deploy" / "grafana" / "sluice.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_a_panel_speaks_of_what_is_served(panel: dict[str, Any]) -> None:
    """Each of its expressions, and each label in its legends; by the data source that is chosen above."""
    assert panel["targets"]
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        assert problems_of(target["expr"]) == []
        spoken = spoken_of(target["expr"])
        labels = spoken.listed or catalogue()[spoken.selectors[0][0]][1]
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels


def test_panels_do_not_overlap() -> None:
    """Each has a place of its own within the 24 columns, an id and a title."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["title"] for panel in DASHBOARD["panels"])


def test_variables_are_those_that_are_used() -> None:
    """And they are asked of metrics that there are."""
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"])))
    assert used == set(variables) == {"datasource", "service"}
    metric, label = re.findall(r"label_values\((\w+), (\w+)\)", variables["service"]["definition"])[0]
    assert label in catalogue()[metric][1]


def test_every_metric_of_collectors_is_somewhere() -> None:
    """A number that nobody looks at is not worth its counting; these few are for those who look closer."""
    shown = {name for panel in PANELS for target in panel["targets"] for name, _ in spoken_of(target["expr"]).selectors}
    closer = {
        "sluice_collector_batch_bytes",
        "sluice_collector_commit_seconds",
        "sluice_collector_column_failures_total",
    }
    names = {metric.name for metric, _ in catalogue().values() if metric.name.startswith("sluice_collector_")}
    missing = {name for name in names - closer if name not in shown and f"{name}_bucket" not in shown}
    assert missing == set()
