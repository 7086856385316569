"""The mapping of documents: every field has one, no document can add one, and every server knows the types."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from schemas.avro_schema import event_schema
from schemas.events import KINDS, Kind
from sluice.eventstore.documents import COMMON, ECS, MAX_KEYWORD_CHARACTERS, MAX_LINE_CHARACTERS, OWN, properties

LUCENE_TERM_BYTES = 32_766
EVERYWHERE = {"alias", "boolean", "date", "double", "keyword", "long", "text"}
"""Field types of every Elasticsearch and OpenSearch."""
ADDED = {
    "proxy_log": {"@timestamp", "request_body_replaced", "response_body_replaced"},
    "analytics": {"@timestamp", "cost"},
    "budget": {"@timestamp", "cost", "period_start", "period_end"},
}
"""What a document has beside the event's fields."""


def leaves(found: dict[str, Any], before: str = "") -> dict[str, dict[str, Any]]:
    """Every field by its whole path."""
    paths: dict[str, dict[str, Any]] = {}
    for name, mapping in found.items():
        if "properties" in mapping:
            assert set(mapping) == {"properties"}
            paths |= leaves(mapping["properties"], f"{before}{name}.")
        else:
            paths[before + name] = mapping
    return paths


def real(kind: Kind) -> dict[str, dict[str, Any]]:
    """The fields that hold something: no aliases."""
    return {path: mapping for path, mapping in leaves(properties(kind)).items() if mapping["type"] != "alias"}


def avro_kind(kind: Any) -> str:
    """The Avro type without its null."""
    inner = kind[1] if isinstance(kind, list) else kind
    return inner["type"] if isinstance(inner, dict) and inner["type"] in {"array", "record"} else str(inner)


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_is_the_event_and_what_is_added(kind: Kind) -> None:
    """Under the events' own names; ``occurred_at`` is there as ``@timestamp`` and as its alias."""
    fields = {field["name"] for field in event_schema(kind)["fields"]}
    named = {path.partition(".")[0] for path in real(kind)}
    assert named == (fields - {"occurred_at"}) | ADDED[kind]
    assert properties(kind)["occurred_at"] == {"type": "alias", "path": "@timestamp"}


@pytest.mark.parametrize("kind", KINDS)
def test_types_follow_the_events(kind: Kind) -> None:
    """Integers are exact longs, truths booleans, times dates; lists of records have every part mapped."""
    found = real(kind)
    for field in event_schema(kind)["fields"]:
        name, inner = field["name"], field["type"][1] if isinstance(field["type"], list) else field["type"]
        if name == "occurred_at":
            continue
        if isinstance(inner, dict) and inner.get("logicalType") == "timestamp-micros":
            assert found[name] == {"type": "date"}
        elif isinstance(inner, dict) and inner["type"] == "array" and isinstance(inner["items"], dict):
            parts = {part["name"] for part in inner["items"]["fields"]}
            assert {path for path in found if path.startswith(f"{name}.")} == {f"{name}.{part}" for part in parts}
        elif inner == "long":
            assert found[name] == {"type": "long"}
        elif inner == "boolean":
            assert found[name] == {"type": "boolean"}
        else:
            assert found[name]["type"] in {"keyword", "text"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_server_knows_the_types(kind: Kind) -> None:
    """No type that a server of another version or vendor lacks."""
    assert {mapping["type"] for mapping in leaves(properties(kind)).values()} <= EVERYWHERE


@pytest.mark.parametrize("kind", KINDS)
def test_no_value_is_too_long_to_be_written(kind: Kind) -> None:
    """A keyword longer than Lucene's longest term fails its document: each ignores what is longer."""
    for path, mapping in real(kind).items():
        if mapping["type"] == "keyword":
            assert 0 < mapping["ignore_above"] * 4 <= LUCENE_TERM_BYTES, path
    assert MAX_KEYWORD_CHARACTERS < MAX_LINE_CHARACTERS
    assert (MAX_LINE_CHARACTERS + 1) * 4 > LUCENE_TERM_BYTES, "it could be longer"


def test_bodies_are_kept_and_not_indexed() -> None:
    """What clients and vendors sent is as large as it is: an index of it would be larger than all the rest."""
    for path in ("request_body", "response_body"):
        assert properties("proxy_log")[path] == {"type": "text", "index": False}
    assert properties("analytics")["raw_usage"] == {"type": "text", "index": False}


@pytest.mark.parametrize("kind", KINDS)
def test_money_is_an_exact_integer_beside_a_number_for_people(kind: Kind) -> None:
    """Wherever there is a cost there are its nanos; no sum is made of decimals alone."""
    found = real(kind)
    assert ("cost" in found) == ("cost_nanos" in found)
    assert [path for path, mapping in found.items() if mapping["type"] == "double"] == (
        ["cost"] if "cost" in found else []
    )
    assert all(found[path] == {"type": "long"} for path in found if path.endswith("_nanos"))


@pytest.mark.parametrize("kind", KINDS)
def test_an_ecs_name_is_an_alias_of_a_field_that_is_there(kind: Kind) -> None:
    """Elasticsearch refuses an alias of nothing, of an object and of another alias, and then the whole template."""
    found, held = leaves(properties(kind)), real(kind)
    for name, path in ECS[kind].items():
        assert found[name] == {"type": "alias", "path": path}
        assert path in held
        assert name not in held
    assert len(found) == len(held) + len(ECS[kind])


def test_no_ecs_name_hides_a_field() -> None:
    """An alias and an object of one name would overwrite each other without a word."""
    for kind in KINDS:
        fields = {**COMMON, **OWN[kind]}
        assert not {name.partition(".")[0] for name in ECS[kind]} & set(fields)
        assert not set(COMMON) & set(OWN[kind])


def test_a_mapping_that_somebody_changes_is_not_everybodys() -> None:
    """Each call makes the whole anew: what one adds to it is not in the next one."""
    before = copy.deepcopy(properties("budget"))
    changed = properties("budget")
    changed["http"] = {"type": "keyword"}
    changed["event"]["properties"]["more"] = {"type": "long"}
    assert properties("budget") == before
