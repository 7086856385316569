"""Kibana's saved objects: the form of an import, ids that stay, references that resolve, the same bytes each time."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import jsonschema

from schemas.events import KINDS
from sluice.eventstore.dashboards.definitions import load_dashboard, load_dashboards
from sluice.eventstore.documents import properties
from sluice.eventstore.exports.grafana import grafana_dashboard, grafana_json
from sluice.eventstore.exports.kibana import COLUMNS, data_view_id, ndjson, saved_objects
from sluice.eventstore.names import INDEX_NAMES

OBJECTS = saved_objects(load_dashboards())

TEXT = {"type": "string", "minLength": 1}
VERSION = {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"}


def closed(**properties_: Any) -> dict[str, Any]:
    """An object of exactly these."""
    return {
        "type": "object", "properties": properties_, "required": sorted(properties_), "additionalProperties": False,
    }  # fmt: skip


SEARCH = closed(searchSourceJSON=TEXT)
ATTRIBUTES: dict[str, Any] = {
    "index-pattern": closed(
        title=TEXT, timeFieldName=TEXT, fields=TEXT, fieldFormatMap=TEXT, fieldAttrs=TEXT, runtimeFieldMap=TEXT,
        sourceFilters=TEXT, typeMeta=TEXT,
    ),
    "visualization": closed(
        title=TEXT, description=TEXT, visState=TEXT, uiStateJSON=TEXT, version={"const": 1},
        kibanaSavedObjectMeta=SEARCH,
    ),
    "dashboard": closed(
        title=TEXT, description=TEXT, panelsJSON=TEXT, optionsJSON=TEXT, version={"const": 1}, hits={"const": 0},
        timeRestore={"const": True}, timeFrom=TEXT, timeTo=TEXT, kibanaSavedObjectMeta=SEARCH,
    ),
}  # fmt: skip
"""As Kibana's documentation and its own sample data write them."""

PANEL = closed(
    version=VERSION, type={"const": "visualization"}, panelIndex=TEXT, panelRefName=TEXT, title=TEXT,
    embeddableConfig={"type": "object"},
    gridData=closed(i=TEXT, **{key: {"type": "integer", "minimum": 0} for key in "xywh"}),
)  # fmt: skip


def schema(kind: str) -> dict[str, Any]:
    """A saved object of a type."""
    reference = closed(id=TEXT, name=TEXT, type={"enum": list(ATTRIBUTES)})
    return closed(
        id={"type": "string", "pattern": "^sluice-[a-z_-]+$"}, type={"const": kind}, attributes=ATTRIBUTES[kind],
        references={"type": "array", "items": reference}, coreMigrationVersion={"const": "8.0.0"},
        migrationVersion=closed(**{kind: VERSION}),
    )  # fmt: skip


def test_objects_have_the_form_of_an_import() -> None:
    """Each is as its type's published form says, and every text that holds JSON does."""
    assert {found["type"] for found in OBJECTS} == set(ATTRIBUTES)
    for found in OBJECTS:
        jsonschema.validate(found, schema(found["type"]))
        for name, text in found["attributes"].items():
            if name.endswith("JSON") or name in {"visState", "fieldFormatMap", "fieldAttrs", "fields"}:
                json.loads(text)
        written = [int(part) for part in found["migrationVersion"][found["type"]].split(".")]
        assert written <= [8, 0, 0]  # a later one would be refused by 8.0


def test_references_resolve_and_ids_stand_once() -> None:
    """What an object names is in the file, before it; a panel's and a search's reference names are the object's own."""
    seen: set[tuple[str, str]] = set()
    for found in OBJECTS:
        assert all((each["type"], each["id"]) in seen for each in found["references"])
        assert (found["type"], found["id"]) not in seen
        seen.add((found["type"], found["id"]))
        names = {each["name"] for each in found["references"]}
        if found["type"] == "dashboard":
            panels = json.loads(found["attributes"]["panelsJSON"])
            assert {f"{each['panelIndex']}:{each['panelRefName']}" for each in panels} == names
        if found["type"] == "visualization":
            source = json.loads(found["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
            assert {source["indexRefName"]} == names


def test_ids_stay() -> None:
    """They are names that people link to, and that an import replaces by: these are for good."""
    ids = {found["id"] for found in OBJECTS}
    assert {"sluice-analytics", "sluice-proxy-log", "sluice-budget", "sluice-overview", "sluice-spend-cost"} <= ids


def test_data_views_are_our_aliases() -> None:
    """One for each that a dashboard reads, and formats for fields that there are."""
    views = {found["id"]: found["attributes"] for found in OBJECTS if found["type"] == "index-pattern"}
    for kind in KINDS:
        view = views[data_view_id(kind)]
        known = properties(kind)
        assert (view["title"], view["timeFieldName"]) == (INDEX_NAMES[kind], "@timestamp")
        assert {name.partition(".")[0] for name in json.loads(view["fieldFormatMap"])} <= set(known)
    few = saved_objects([load_dashboard("spend")])
    assert [found["id"] for found in few if found["type"] == "index-pattern"] == ["sluice-analytics"]


def test_panels_have_places_of_their_own() -> None:
    """Within the grid's 48 columns, none over another."""
    for found in OBJECTS:
        if found["type"] != "dashboard":
            continue
        taken: set[tuple[int, int]] = set()
        for number, panel in enumerate(json.loads(found["attributes"]["panelsJSON"])):
            jsonschema.validate(panel, PANEL)
            where = panel["gridData"]
            assert where["i"] == panel["panelIndex"] == str(number)
            assert where["x"] + where["w"] <= COLUMNS
            cells = {(x, y) for x in range(where["x"], where["x"] + where["w"])
                     for y in range(where["y"], where["y"] + where["h"])}  # fmt: skip
            assert not taken & cells
            taken |= cells


def test_the_file_ends_with_its_sum() -> None:
    """A line for each object and one that says how many there are and that nothing is missing; ended by a newline."""
    *lines, last, after = ndjson(OBJECTS).split("\n")
    assert after == ""
    assert [json.loads(line) for line in lines] == OBJECTS
    assert json.loads(last) == {
        "exportedCount": len(OBJECTS), "missingRefCount": 0, "missingReferences": [], "excludedObjects": [],
        "excludedObjectsCount": 0,
    }  # fmt: skip


def test_the_same_input_gives_the_same_bytes() -> None:
    """In another process, with another order of hashes: a file in a repository changes when a dashboard does."""
    script = (
        "import sys; from sluice.eventstore.dashboards.definitions import load_dashboards as load;"
        "from sluice.eventstore.exports.grafana import grafana_dashboard, grafana_json;"
        "from sluice.eventstore.exports.kibana import ndjson, saved_objects;"
        "sys.stdout.write(ndjson(saved_objects(load())) + ''.join(grafana_json(grafana_dashboard(d)) for d in load()))"
    )
    here = ndjson(OBJECTS) + "".join(grafana_json(grafana_dashboard(found)) for found in load_dashboards())
    environment = {"PYTHONHASHSEED": "7", "PYTHONIOENCODING": "utf-8"}
    there = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True, timeout=60)
    assert there.stdout.decode() == here
