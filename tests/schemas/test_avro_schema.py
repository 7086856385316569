"""Tests of ``schemas.avro_schema``: files that agree with the code, and versions that read each other."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any, cast

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import to_parsing_canonical_form
from hypothesis import given

from schemas import avro_schema
from schemas.avro_schema import (
    AVRO_FOLDER,
    avro_type,
    event_schema,
    released_schemas,
    schema_files,
    schema_fingerprint,
    schema_json,
    write_schema_files,
)
from schemas.events import KINDS, Kind
from tests.schemas.samples import COMMON, EXCHANGE_ID, FIELDS

ALLOWED = {"null", "string", "long", "boolean", "bytes", "array", "record"}


def parts(schema: Any) -> Iterator[Any]:
    """Every type that a schema is made of."""
    if isinstance(schema, list):
        for member in schema:
            yield from parts(member)
    elif isinstance(schema, dict):
        yield schema["type"]
        for field in schema.get("fields", ()):
            yield from parts(field["type"])
        yield from parts(schema.get("items", []))
    else:
        yield schema


def recoded(value: dict[str, Any], writer: Any, reader: Any) -> dict[str, Any]:
    """What a reader of another version makes of an event; times stay integers, as in the writer's canonical form."""
    plain = parse_schema(json.loads(to_parsing_canonical_form(writer)))
    stream = io.BytesIO()
    schemaless_writer(stream, plain, value)
    stream.seek(0)
    return cast("dict[str, Any]", schemaless_reader(stream, plain, parse_schema(reader)))


def sample(schema: Any) -> Any:
    """A value of any schema, with something in every part of it."""
    if isinstance(schema, list):
        return sample(schema[1])
    if isinstance(schema, dict) and schema["type"] == "record":
        return {field["name"]: sample(field["type"]) for field in schema["fields"]}
    if isinstance(schema, dict) and schema["type"] == "array":
        return [sample(schema["items"])]
    plain = schema["type"] if isinstance(schema, dict) else schema
    return {"string": "text", "long": 7, "boolean": True, "bytes": b"bytes"}[plain]


def versions(kind: Kind) -> list[dict[str, Any]]:
    """Every version ever released, and an invented next one with a field more and a field less."""
    released = released_schemas(kind)
    newest = released[-1]
    added = {"name": "added_later", "type": ["null", "string"], "default": None}
    without_last = [field for field in newest["fields"] if field["name"] != newest["fields"][-1]["name"]]
    return [*released, {**newest, "fields": [*newest["fields"], added]}, {**newest, "fields": without_last}]


@pytest.mark.parametrize("kind", KINDS)
def test_the_newest_file_is_what_the_code_says(kind: Kind) -> None:
    """``make schemas`` was run after the last change of a definition."""
    assert released_schemas(kind)[-1] == event_schema(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_versions_are_kept_without_gaps(kind: Kind) -> None:
    """``<kind>.1.avsc`` … ``<kind>.n.avsc`` are all there, and no two of them are the same."""
    assert [path.name for path in schema_files(kind)] == [
        f"{kind}.{number}.avsc" for number in range(1, len(schema_files(kind)) + 1)
    ]
    fingerprints = [json.dumps(schema, sort_keys=True) for schema in released_schemas(kind)]
    assert len(set(fingerprints)) == len(fingerprints)


def test_every_avro_file_is_a_version_of_an_event() -> None:
    """No file lies in the folder that no event would read."""
    assert sorted(AVRO_FOLDER.glob("*")) == sorted(path for kind in KINDS for path in schema_files(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_only_types_that_can_be_decoded_as_columns(kind: Kind) -> None:
    """No maps, no enums, no fixed, no unions but of null and one type, in any version."""
    for schema in released_schemas(kind):
        names = [part for part in parts(schema) if isinstance(part, str)]
        assert set(names) <= ALLOWED
        for field in schema["fields"]:
            if isinstance(field["type"], list):
                assert len(field["type"]) == 2
                assert field["type"][0] == "null"


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_a_default(kind: Kind) -> None:
    """In every version, so that every reader can do without every field."""
    for schema in released_schemas(kind):
        assert [field["name"] for field in schema["fields"] if "default" not in field] == []


@pytest.mark.parametrize("kind", KINDS)
def test_versions_are_full_transitive_compatible(kind: Kind) -> None:
    """Every version reads what every other wrote: fields both know keep their values, others get their defaults."""
    for writer, reader in permutations(versions(kind), 2):
        event = sample(writer)
        read = recoded(event, writer, reader)
        written = {field["name"] for field in writer["fields"]}
        for field in reader["fields"]:
            name = field["name"]
            assert read[name] == (event[name] if name in written else field["default"])


@given(COMMON, FIELDS["analytics"])
def test_any_event_survives_an_older_reader(common: Any, own: Any) -> None:
    """Whatever a newer gateway writes, the first version's reader reads what it knows of it."""
    event = {"event_id": EXCHANGE_ID + "-a", "sequence": 1, **common, **own}
    writer, reader = versions("analytics")[-2], released_schemas("analytics")[0]
    read = recoded({**event, "added_later": "new"}, writer, reader)
    assert "added_later" not in read
    assert read["event_id"] == event["event_id"]
    assert read["cost_nanos"] == event["cost_nanos"]


def test_fingerprints_are_crc_64_avro_little_endian() -> None:
    """The specification's own example: the schema ``"int"`` has 0x7275d51a3f395c8f, sent lowest byte first."""
    assert schema_fingerprint("int") == bytes.fromhex("7275d51a3f395c8f")[::-1]


def test_a_fingerprint_ignores_what_a_reader_ignores() -> None:
    """Documentation and defaults are not part of the canonical form; names, types and order are."""
    schema = event_schema("budget")
    undocumented = {**schema, "doc": "", "fields": [{**field, "doc": ""} for field in schema["fields"]]}
    turned = {**schema, "fields": schema["fields"][::-1]}
    assert schema_fingerprint(undocumented) == schema_fingerprint(schema)
    assert schema_fingerprint(turned) != schema_fingerprint(schema)


@pytest.mark.parametrize("kind", KINDS)
def test_published_text_is_the_schema(kind: Kind) -> None:
    """What is put beside the events says what wrote them."""
    assert json.loads(schema_json(kind)) == event_schema(kind)


def test_a_type_without_an_avro_form_is_refused() -> None:
    """A float, or a map, cannot get into an event unseen."""
    for hint in (float, dict[str, str]):
        with pytest.raises(TypeError, match="no Avro type"):
            avro_type(hint)


def test_a_changed_definition_becomes_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``make schemas`` adds the next version and keeps the old ones; unchanged definitions write nothing."""
    shutil.copytree(AVRO_FOLDER, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(avro_schema, "AVRO_FOLDER", tmp_path)
    assert write_schema_files() == []
    newest = schema_files("budget")[-1]
    schema = json.loads(newest.read_text("utf-8"))
    newest.write_text(json.dumps({**schema, "fields": schema["fields"][:-1]}), "utf-8")
    before = newest.read_bytes()
    (written,) = write_schema_files()
    assert written.name == f"budget.{len(schema_files('budget'))}.avsc"
    assert json.loads(written.read_text("utf-8")) == event_schema("budget")
    assert newest.read_bytes() == before
