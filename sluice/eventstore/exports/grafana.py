"""Dashboards of Grafana over its Elasticsearch data source, one data source for each read alias.

``${DS_SLUICE_…}`` are inputs: whoever imports the file is asked for a data source; ``with_sources`` fills them in.
Shares are made by Grafana's server-side expressions, of two queries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from schemas.events import KINDS, Kind
from sluice.eventstore.dashboards.definitions import Dashboard, Variable, kinds_of
from sluice.eventstore.exports.grafana_panels import Part, grafana_panel
from sluice.eventstore.exports.lucene import EVERYTHING, missing
from sluice.eventstore.exports.plans import Plan, place, plans_of
from sluice.eventstore.names import INDEX_NAMES
from sluice.eventstore.panels.fields import fields_of

SCHEMA_VERSION = 39
COLUMNS = 24
MAX_VALUES = 500
"""That a variable offers."""


def input_name(kind: Kind) -> str:
    """The input of an event's data source."""
    return f"DS_SLUICE_{kind.upper()}"


def source_of(kind: Kind) -> Part:
    """Its data source, as panels name it."""
    return {"type": "elasticsearch", "uid": f"${{{input_name(kind)}}}"}


def grafana_dashboard(dashboard: Dashboard) -> Part:
    """A dashboard's model, to be imported; the same input gives the same model."""
    kinds = [kind for kind in KINDS if kind in kinds_of(dashboard)]
    plans = plans_of(dashboard)
    places = place(plans, COLUMNS, _height)
    panels = [
        {
            **grafana_panel(plan, source_of(plan.kind), _asked(plan, dashboard)),
            "gridPos": where,
            "id": number,
        }
        for number, (plan, where) in enumerate(zip(plans, places, strict=True), 1)
    ]
    return {
        "__elements": {},
        "__inputs": [_input(kind) for kind in kinds],
        "__requires": _REQUIRED,
        "annotations": {"list": []},
        "description": dashboard.answers,
        "editable": True,
        "graphTooltip": 1,
        "id": None,
        "links": [],
        "panels": panels,
        "refresh": "",
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["sluice"],
        "templating": {"list": [_variable(found, kinds) for found in dashboard.variables]},
        "time": {"from": "now-7d", "to": "now"},
        "timepicker": {},
        "timezone": "",
        "title": f"Sluice: {dashboard.title}",
        "uid": f"sluice-{dashboard.name}",
        "version": 1,
        "weekStart": "",
    }


def grafana_json(model: Part) -> str:
    """As a file."""
    return json.dumps(model, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def with_sources(model: Part, uids: Mapping[Kind, str]) -> Part:
    """The model for one Grafana: inputs replaced by the data sources there."""
    known = {source_of(kind)["uid"]: uid for kind, uid in uids.items()}
    filled: Part = _replaced({name: found for name, found in model.items() if not name.startswith("__")}, known)
    return filled


_REQUIRED: list[Part] = [
    {"id": "grafana", "name": "Grafana", "type": "grafana", "version": "10.0.0"},
    {"id": "elasticsearch", "name": "Elasticsearch", "type": "datasource", "version": "1.0.0"},
    {"id": "stat", "name": "Stat", "type": "panel", "version": ""},
    {"id": "table", "name": "Table", "type": "panel", "version": ""},
    {"id": "timeseries", "name": "Time series", "type": "panel", "version": ""},
]


def _replaced(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(found, known) for name, found in value.items()}
    if isinstance(value, list):
        return [_replaced(found, known) for found in value]
    return known.get(value, value) if isinstance(value, str) else value


def _input(kind: Kind) -> Part:
    return {
        "description": f"An Elasticsearch data source with the index {INDEX_NAMES[kind]} and the time @timestamp",
        "label": f"Sluice {kind.replace('_', ' ')}",
        "name": input_name(kind),
        "pluginId": "elasticsearch",
        "pluginName": "Elasticsearch",
        "type": "datasource",
    }


def _asked(plan: Plan, dashboard: Dashboard) -> str:
    """The panel's own query, and the variables whose fields its events have."""
    known = fields_of(plan.kind)
    chosen = [f"{found.field}:${{{found.name}:lucene}}" for found in dashboard.variables if found.field in known]
    own = [] if plan.query == EVERYTHING else [plan.query]
    return " AND ".join([*own, *chosen]) or EVERYTHING


def _variable(variable: Variable, kinds: list[Kind]) -> Part:
    kind = next(kind for kind in kinds if variable.field in fields_of(kind))
    asked = json.dumps({"field": variable.field, "find": "terms", "size": MAX_VALUES}, sort_keys=True)
    return {
        "allValue": f"(* OR {missing(variable.field)})",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": source_of(kind),
        "definition": asked,
        "hide": 0,
        "includeAll": True,
        "label": variable.title,
        "multi": True,
        "name": variable.name,
        "options": [],
        "query": asked,
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


def _height(plan: Plan) -> int:
    return 5 if plan.panel.chart == "figure" else 9
