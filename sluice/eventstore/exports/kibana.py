"""Saved objects of Kibana 8: a data view for each read alias, a visualisation for each panel, the dashboards.

Visualisations are those of aggregations (``visState``): their form is the one that Kibana's own sample data and its
import documentation show, and has stayed since 7.14. Objects say that they are of 8.0 (``coreMigrationVersion``,
``migrationVersion``: what later versions turn into ``typeMigrationVersion``), so that every Kibana from 8.0 on takes
them and brings them forward itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.events import KINDS, Kind
from sluice.eventstore.dashboards.definitions import Dashboard, kinds_of
from sluice.eventstore.documents import COMMON, OWN
from sluice.eventstore.exports.kibana_charts import visualisation
from sluice.eventstore.exports.plans import Plan, place, plans_of
from sluice.eventstore.names import INDEX_NAMES

CORE_VERSION = "8.0.0"
TYPE_VERSIONS = {"index-pattern": "7.11.0", "visualization": "7.14.0", "dashboard": "7.14.0"}
"""The form each object is written in."""

COLUMNS = 48
_DATA_VIEW = "kibanaSavedObjectMeta.searchSourceJSON.index"

Object = dict[str, Any]


def saved_objects(dashboards: Iterable[Dashboard]) -> list[Object]:
    """Data views first, then each dashboard behind its visualisations; the same input gives the same objects."""
    chosen = tuple(dashboards)
    kinds = {kind for dashboard in chosen for kind in kinds_of(dashboard)}
    found = [_data_view(kind) for kind in KINDS if kind in kinds]
    for dashboard in chosen:
        plans = plans_of(dashboard)
        found += [_visualisation(dashboard, plan) for plan in plans]
        found.append(_dashboard(dashboard, plans))
    return found


def ndjson(objects: Sequence[Object]) -> str:
    """As exports are: an object a line, and a line that sums up."""
    summary = {
        "excludedObjects": [], "excludedObjectsCount": 0, "exportedCount": len(objects), "missingRefCount": 0,
        "missingReferences": [],
    }  # fmt: skip
    return "".join(f"{_json(found)}\n" for found in (*objects, summary))


def data_view_id(kind: Kind) -> str:
    """What an alias's data view is found by."""
    return f"sluice-{kind.replace('_', '-')}"


def _object(kind: str, name: str, attributes: Mapping[str, Any], references: Sequence[Mapping[str, str]]) -> Object:
    return {
        "attributes": dict(attributes),
        "coreMigrationVersion": CORE_VERSION,
        "id": name,
        "migrationVersion": {kind: TYPE_VERSIONS[kind]},
        "references": list(references),
        "type": kind,
    }


def _data_view(kind: Kind) -> Object:
    attributes = {
        "fieldAttrs": "{}",
        "fieldFormatMap": _json(_formats(kind)),
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "timeFieldName": "@timestamp",
        "title": INDEX_NAMES[kind],
        "typeMeta": "{}",
    }
    return _object("index-pattern", data_view_id(kind), attributes, ())


def _formats(kind: Kind) -> Mapping[str, Any]:
    names = [*COMMON, *OWN[kind]]
    if kind == "proxy_log":
        names.append("plugins.micros")
    found: dict[str, Any] = {}
    for name in names:
        if name.endswith("micros"):
            parameters = {"inputFormat": "microseconds", "outputFormat": "humanizePrecise", "outputPrecision": 2}
            found[name] = {"id": "duration", "params": parameters}
        elif name.endswith("_bytes"):
            found[name] = {"id": "bytes"}
        elif name == "cost":
            found[name] = {"id": "number", "params": {"pattern": "0,0.00[0000]"}}
        elif name in {"app_id", "user_id", "llm_id", "response_code"}:
            found[name] = {"id": "number", "params": {"pattern": "0"}}  # names, not amounts
    return found


def _visualisation(dashboard: Dashboard, plan: Plan) -> Object:
    title = f"{dashboard.title}: {plan.panel.title}"
    source = {
        "filter": [],
        "indexRefName": _DATA_VIEW,
        "query": {"language": "lucene", "query": plan.query},
    }
    attributes = {
        "description": plan.description,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _json(source)},
        "title": title,
        "uiStateJSON": "{}",
        "version": 1,
        "visState": _json({"title": title, **visualisation(plan)}),
    }
    reference = {"id": data_view_id(plan.kind), "name": _DATA_VIEW, "type": "index-pattern"}
    return _object("visualization", _visualisation_id(dashboard, plan), attributes, (reference,))


def _visualisation_id(dashboard: Dashboard, plan: Plan) -> str:
    return f"sluice-{dashboard.name}-{plan.panel.name}"


def _dashboard(dashboard: Dashboard, plans: tuple[Plan, ...]) -> Object:
    panels, references = [], []
    for number, (plan, where) in enumerate(zip(plans, place(plans, COLUMNS, _height), strict=True)):
        panels.append(
            {
                "embeddableConfig": {"enhancements": {}},
                "gridData": {**where, "i": str(number)},
                "panelIndex": str(number),
                "panelRefName": f"panel_{number}",
                "title": plan.panel.title,
                "type": "visualization",
                "version": CORE_VERSION,
            }
        )
        name = f"{number}:panel_{number}"
        references.append({"id": _visualisation_id(dashboard, plan), "name": name, "type": "visualization"})
    attributes = {
        "description": dashboard.answers,
        "hits": 0,
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": _json({"filter": [], "query": {"language": "kuery", "query": ""}})
        },
        "optionsJSON": _json({"hidePanelTitles": False, "useMargins": True}),
        "panelsJSON": _json(panels),
        "timeFrom": "now-7d",
        "timeRestore": True,
        "timeTo": "now",
        "title": f"Sluice: {dashboard.title}",
        "version": 1,
    }
    return _object("dashboard", f"sluice-{dashboard.name}", attributes, references)


def _height(plan: Plan) -> int:
    return 8 if plan.panel.chart == "figure" else 15


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
