"""Avro schemas, made from the typed definitions; the files under ``avro/`` are their history.

Text, integers, bytes, booleans, arrays, records and nullable unions only: no maps, no enums, so that a batch can be
decoded as columns. Every field has a default, so that every version can read every other.
"""

from __future__ import annotations

import json
import types
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from fastavro.schema import fingerprint as _fingerprint
from fastavro.schema import parse_schema, to_parsing_canonical_form

from schemas.events import EVENT_TYPES, KINDS, Kind, Micros

NAMESPACE = "sluice.events"
AVRO_FOLDER = Path(__file__).parent / "avro"

_PLAIN: dict[Any, tuple[Any, Any]] = {
    str: ("string", ""),
    int: ("long", 0),
    bool: ("boolean", False),
    bytes: ("bytes", ""),
    Micros: ({"type": "long", "logicalType": "timestamp-micros"}, 0),
}


def avro_type(hint: Any) -> tuple[Any, Any]:
    """The Avro type and the default of a Python annotation."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if get_origin(hint) in {Union, types.UnionType}:
        inner = next(argument for argument in get_args(hint) if argument is not type(None))
        return ["null", avro_type(inner)[0]], None
    if get_origin(hint) is list:
        return {"type": "array", "items": avro_type(get_args(hint)[0])[0]}, []
    if is_typeddict(hint):
        return record_schema(hint), None
    message = f"no Avro type for {hint!r}"
    raise TypeError(message)


def field_hints(definition: type) -> dict[str, tuple[Any, str]]:
    """Field name → (type, documentation) of a typed definition, in order."""
    hints = get_type_hints(definition, include_extras=True)
    return {name: _split(hint) for name, hint in hints.items()}


def _split(hint: Any) -> tuple[Any, str]:
    if get_origin(hint) is Annotated:
        inner, doc, *_ = get_args(hint)
        return inner, str(doc)
    return hint, ""


def record_schema(definition: type) -> dict[str, Any]:
    """The Avro record of a typed definition."""
    fields = []
    for name, (hint, doc) in field_hints(definition).items():
        kind, default = avro_type(hint)
        fields.append({"name": name, "type": kind, "default": default, "doc": doc})
    return {
        "type": "record",
        "name": definition.__name__,
        "namespace": NAMESPACE,
        "doc": (definition.__doc__ or "").strip(),
        "fields": fields,
    }


@cache
def micros_fields(kind: Kind) -> tuple[tuple[str, str | None], ...]:
    """The times of an event: (field, ``None``), or (field, the list whose records hold it)."""
    found: list[tuple[str, str | None]] = []
    for name, (hint, _) in field_hints(EVENT_TYPES[kind]).items():
        if hint is Micros:
            found.append((name, None))
        elif get_origin(hint) is list and is_typeddict(get_args(hint)[0]):
            parts = field_hints(get_args(hint)[0])
            found += [(part, name) for part, (inner, _) in parts.items() if inner is Micros]
    return tuple(found)


@cache
def event_schema(kind: Kind) -> dict[str, Any]:
    """Today's schema of an event."""
    return record_schema(EVENT_TYPES[kind])


@cache
def parsed_schema(kind: Kind) -> dict[str, Any]:
    """Today's schema, parsed for fastavro."""
    return cast("dict[str, Any]", parse_schema(event_schema(kind)))


def schema_fingerprint(schema: Any) -> bytes:
    """The 8 bytes that name a schema on the wire: CRC-64-AVRO of its canonical form, little-endian."""
    digest = _fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
    return bytes.fromhex(digest)


@cache
def schema_json(kind: Kind) -> bytes:
    """Today's schema as the JSON text that is published beside the events."""
    return json.dumps(event_schema(kind), separators=(",", ":")).encode()


def schema_files(kind: Kind) -> list[Path]:
    """Every version ever released, oldest first: ``avro/<kind>.<n>.avsc``."""
    return sorted(AVRO_FOLDER.glob(f"{kind}.*.avsc"), key=lambda path: int(path.name.split(".")[1]))


def released_schemas(kind: Kind) -> list[dict[str, Any]]:
    """The contents of ``schema_files``."""
    return [json.loads(path.read_text()) for path in schema_files(kind)]


def write_schema_files() -> list[Path]:
    """Write a new version for each event whose definition changed; returns the files written (``make schemas``)."""
    written = []
    for kind in KINDS:
        released = released_schemas(kind)
        if not released or released[-1] != event_schema(kind):
            path = AVRO_FOLDER / f"{kind}.{len(released) + 1}.avsc"
            path.write_text(json.dumps(event_schema(kind), indent=2, ensure_ascii=False) + "\n")
            written.append(path)
    return written
