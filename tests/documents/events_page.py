"""The reference of events: fields from their definitions and released schemas, headers and topics from the code."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

from schemas.avro_schema import field_hints, released_schemas, schema_files, schema_fingerprint
from schemas.cloudevents import cloudevent_headers
from schemas.events import EVENT_TYPES, FIELD_TYPES, KINDS, Common, Identity, Kind, Micros, event_id
from schemas.topics import Topic, Topics
from tests.documents.event_examples import COMMON, SEQUENCE, example

WIDTH = 120
_MAX_EXAMPLE = 60
_HEAD = ["| field | type | since | from | example | what |", "|---|---|---|---|---|---|"]
_TYPES = {str: "text", int: "integer", bool: "boolean", bytes: "bytes", Micros: "time"}
_INTRO = """\
What every exchange leaves behind, made from `events.py`, the released schemas and the code that writes them:
`make references` renews this page. An exchange has a proxy log, and analytics and budget usage where
its vendor may have been called ([which outcome has which](../gateway/README.md#outcomes)); `sluice reprice
--corrections` writes further budget events, whose `kind` is `correction`.

*Absent* is null in Avro and JSON, and never the same as zero. A *time* is microseconds since 1970 in UTC
(`timestamp-micros`). Money is integers of 1e-9 currency units. *since* is the first version of the schema that has the
field; every version reads every other. *from* says where a value comes from: the gateway made or measured it, or it
is the client's, the vendor's, of the settings (of the app or the LLM), of the prices, a plugin's, or the journal's."""
_FRAME = """\
The key of a record is the exchange's id, so that its events are in one partition of each topic. The value is Avro's
single-object encoding: `C3 01`, the 8 bytes of the schema's fingerprint (CRC-64-AVRO, little-endian), the body. The
schemas themselves are in the topic `{schema}`, by fingerprint. With `schema_registry.url` it is Confluent's framing
instead: `00`, the schema's id in 4 bytes, the same body. CloudEvents 1.0 is in the headers (Kafka's binary mode):"""
_HEADERS = {
    "ce_id": "The event's id, unique for ever: who has seen it has seen the event.",
    "ce_type": "The topic.",
    "ce_source": "The gateway's `gateway.id`; of corrections who made them.",
    "ce_time": "When the exchange was admitted, UTC; in Kafka to the second.",
    "ce_specversion": "CloudEvents' version.",
    "traceparent": "The client's W3C trace context, where it sent one.",
}


def events_page() -> str:
    """``schemas/EVENTS.md``."""
    lines = ["# Events", "", _INTRO, "", "## What all three share", "", *_HEAD]
    shared = {"event_id": event_id(COMMON["exchange_id"], "analytics"), "sequence": SEQUENCE, **COMMON}
    lines += [*_rows(Identity, "analytics", shared), *_rows(Common, "analytics", shared), ""]
    for kind in KINDS:
        lines += _event(kind)
    for part, kind, field in _parts():
        values = example(kind)[field][0]  # type: ignore[index]
        lines += [f"## `{part.__name__}`", "", part.__doc__ or "", "", *_HEAD, *_rows(part, kind, values, field), ""]
    lines += ["## Records", "", _FRAME.format(schema=Topics().schema.name), "", *_headers(), ""]
    lines += ["## Topics", "", _topics_intro(), "", *_topics(), "", "## Schemas", "", *_schemas(), ""]
    return "\n".join(lines)


def _event(kind: Kind) -> list[str]:
    topic = Topics().event(kind).name
    fields = FIELD_TYPES[kind]
    doc = f"In `{topic}`. {EVENT_TYPES[kind].__doc__}"
    return [f"## `{kind}`", "", fill(doc, WIDTH), "", *_HEAD, *_rows(fields, kind, example(kind)), ""]


def _rows(definition: type, kind: Kind, values: Mapping[str, Any], within: str = "") -> list[str]:
    hints = get_type_hints(definition, include_extras=True)
    rows = []
    for name, (hint, doc) in field_hints(definition).items():
        source = str(get_args(hints[name])[2])
        cells = (
            f"`{name}`",
            type_of(hint),
            str(since(kind, name, within)),
            source,
            _shown(values[name]),
            doc.replace("<", "\\<"),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def type_of(hint: Any) -> str:
    """In words."""
    if get_origin(hint) in {Union, types.UnionType}:
        inner = next(each for each in get_args(hint) if each is not type(None))
        return f"{type_of(inner)}, or absent"
    if get_origin(hint) is list:
        (inner,) = get_args(hint)
        return f"list of {f'`{inner.__name__}`' if is_typeddict(inner) else type_of(inner) + 's'}"
    return _TYPES[hint]


def since(kind: Kind, name: str, within: str = "") -> int:
    """The first released version of an event's schema that has a field, or a part ``within`` a list of it has."""
    for version, schema in enumerate(released_schemas(kind), 1):
        fields = {field["name"]: field for field in schema["fields"]}
        if within and within in fields:
            fields = {field["name"]: field for field in fields[within]["type"]["items"]["fields"]}
        if name in fields:
            return version
    message = f"{kind}.{name} is in no released schema; make schemas"
    raise LookupError(message)


def _parts() -> list[tuple[type, Kind, str]]:
    """The records within events, with the event and the field that have them."""
    return [
        (get_args(hint)[0], kind, name)
        for kind in KINDS
        for name, (hint, _) in field_hints(FIELD_TYPES[kind]).items()
        if get_origin(hint) is list and is_typeddict(get_args(hint)[0])
    ]


def _shown(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "below"
    text = value.decode() if isinstance(value, bytes) else str(value).lower() if isinstance(value, bool) else str(value)
    if not text:
        return "empty"
    return f"`{text if len(text) <= _MAX_EXAMPLE else text[: _MAX_EXAMPLE - 1] + '…'}`"


def _headers() -> list[str]:
    traceparent = f"00-{COMMON['trace_id']}-00f067aa0ba902b7-01"
    identity = event_id(COMMON["exchange_id"], "analytics")
    topic, source = Topics().event("analytics").name, COMMON["gateway_id"]
    found = cloudevent_headers(topic, identity, source, COMMON["occurred_at"], traceparent)
    rows = [f"| `{name}` | `{value.decode()}` | {_HEADERS[name]} |" for name, value in found]
    return ["| header | example | what |", "|---|---|---|", *rows]


def _topics_intro() -> str:
    text = (
        "With `kafka.namespace: sluice`, which is what they all begin with, and `kafka.partitions: 12`. They are made "
        "with three replicas of which two must be in sync, or one with `kafka.single_broker`."
    )
    return fill(text, WIDTH)


def _topics() -> list[str]:
    rows = [_topic(topic) for topic in Topics().all()]
    return ["| topic | what | partitions | settings |", "|---|---|---|---|", *rows]


def _topic(topic: Topic) -> str:
    settings = " ".join(f"`{name}={value}`" for name, value in topic.settings().items())
    return f"| `{topic.name}` | {topic.purpose} | {topic.partitions} | {settings} |"


def _schemas() -> Sequence[str]:
    rows = [
        f"| `{kind}` | {version} | [`{path.name}`](avro/{path.name}) | `{schema_fingerprint(schema).hex()}` |"
        for kind in KINDS
        for version, (path, schema) in enumerate(zip(schema_files(kind), released_schemas(kind), strict=True), 1)
    ]
    return ["| event | version | Avro | fingerprint, as it is on the wire |", "|---|---|---|---|", *rows]
