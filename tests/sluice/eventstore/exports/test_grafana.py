"""Grafana's dashboards: the form of an import, inputs and variables that are used, what an installation fills in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sluice.eventstore.dashboards.definitions import load_dashboard, load_dashboards
from sluice.eventstore.documents import properties
from sluice.eventstore.exports.grafana import grafana_dashboard, grafana_json, input_name, source_of, with_sources

MODELS = {found.name: grafana_dashboard(found) for found in load_dashboards()}
SHIPPED = json.loads((Path(__file__).parents[4] / "deploy" / "grafana" / "sluice.json").read_text())

anywhere = pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))


@anywhere
def test_a_dashboard_has_the_form_of_the_one_for_metrics(model: dict[str, Any]) -> None:
    """All that ours for Prometheus has, of the same types and version of the schema; and what only imports have."""
    for name, value in SHIPPED.items():
        assert isinstance(model[name], type(value)), name
    assert model["schemaVersion"] == SHIPPED["schemaVersion"]
    assert model["id"] is None
    assert re.fullmatch("sluice-[a-z]+", model["uid"])
    assert model["uid"] != SHIPPED["uid"]
    used = {panel["type"] for panel in model["panels"]}
    assert used <= {each["id"] for each in model["__requires"] if each["type"] == "panel"}


@anywhere
def test_panels_do_not_overlap(model: dict[str, Any]) -> None:
    """Each has a place of its own within the 24 columns, an id and a title."""
    taken: set[tuple[int, int]] = set()
    for panel in model["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not taken & cells
        taken |= cells
    assert len({panel["id"] for panel in model["panels"]}) == len(model["panels"])
    assert all(panel["title"] and panel["description"] for panel in model["panels"])


@anywhere
def test_inputs_are_those_that_are_used(model: dict[str, Any]) -> None:
    """Whoever imports is asked for no data source that no panel reads, and for each that one does."""
    rest = json.dumps({name: value for name, value in model.items() if not name.startswith("__")})
    assert set(re.findall(r"\$\{(DS_\w+)\}", rest)) == {each["name"] for each in model["__inputs"]}
    assert all(each["pluginId"] == "elasticsearch" for each in model["__inputs"])


@anywhere
def test_variables_are_those_that_are_used(model: dict[str, Any]) -> None:
    """Each filters a panel by a field of our templates, and asks for that field's values."""
    variables = {each["name"]: each for each in model["templating"]["list"]}
    used = set(re.findall(r"(\w+):\$\{(\w+):lucene\}", json.dumps(model["panels"])))
    assert {name for _, name in used} == set(variables)
    for field, name in used:
        assert json.loads(variables[name]["query"])["field"] == field
        assert any(field in properties(kind) for kind in ("proxy_log", "analytics", "budget"))


def test_app_llm_and_vendor_can_be_chosen() -> None:
    """Where money and requests are shown, by whom, where and whose."""
    for name in ("overview", "spend", "latency"):
        fields = {json.loads(each["query"])["field"] for each in MODELS[name]["templating"]["list"]}
        assert {"app_id", "llm_slug", "vendor"} <= fields


def test_an_installation_has_no_inputs() -> None:
    """The API that saves dashboards asks nobody: every data source is one of that Grafana."""
    model = with_sources(MODELS["budgets"], {"budget": "b-1", "analytics": "a-1"})
    assert "DS_SLUICE" not in json.dumps(model)
    assert not [name for name in model if name.startswith("__")]
    assert {panel["datasource"]["uid"] for panel in model["panels"]} == {"a-1", "b-1"}
    assert "DS_SLUICE" in json.dumps(MODELS["budgets"])  # the model itself is as it was


def test_names_and_files() -> None:
    """An input is named by its event; a file is the model, in one order."""
    assert source_of("proxy_log") == {"type": "elasticsearch", "uid": f"${{{input_name('proxy_log')}}}"}
    text = grafana_json(MODELS["spend"])
    assert json.loads(text) == grafana_dashboard(load_dashboard("spend"))
    assert text == grafana_json(dict(reversed(MODELS["spend"].items())))
