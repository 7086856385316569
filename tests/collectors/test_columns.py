"""Two decoders, one result: what columns cannot be trusted with goes record by record, and nobody can tell."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, cast

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors import columns
from collectors.columns import Decoded, Decoder
from collectors.deliveries import Frame, Poison
from collectors.documents import bulk_lines, table_rows
from collectors.frames import COLUMNS
from schemas import confluent
from schemas.avro_schema import event_schema, field_hints, schema_fingerprint, schema_json
from schemas.codec import HEADER_BYTES, MAGIC, SchemaBook, encode_exchange
from schemas.events import EVENT_TYPES, FIELD_TYPES, KINDS, Common, Kind, Micros
from schemas.ids import new_exchange_id
from sluice.eventlog.interface import StoredRecord
from tests.collectors.events import event_id_of, make_event, make_record, numbered, record_of
from tests.collectors.frames import delivery_of
from tests.schemas.records import record_encoder

LONGS = st.integers(-(2**63), 2**63 - 1)
TIMES = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    int: LONGS,
    bool: st.booleans(),
    bytes: st.one_of(st.binary(max_size=60), st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace"))),
    Micros: TIMES,
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotation of the events."""
    if hint in PLAIN:
        return PLAIN[hint]
    if arguments := getattr(hint, "__args__", None):
        inner = [argument for argument in arguments if argument is not type(None)]
        found = values(inner[0])
        return st.lists(found, max_size=3) if getattr(hint, "__origin__", None) is list else st.none() | found
    return fields(hint)


def fields(definition: type) -> st.SearchStrategy[dict[str, Any]]:
    """Any record of a typed definition."""
    return st.fixed_dictionaries({name: values(hint) for name, (hint, _) in field_hints(definition).items()})


def records_of(kind: Kind, drawn: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[StoredRecord]:
    """Encoded as the gateway does."""
    records = []
    for common, own in drawn:
        parts: dict[str, Any] = dict.fromkeys(KINDS) | {kind: own}
        whole = cast("Common", common | {"exchange_id": new_exchange_id()})
        [event] = encode_exchange(whole, parts["proxy_log"], parts["analytics"], parts["budget"])
        records.append(record_of(event.value(1), event.event_id, kind))
    return numbered(records)


class OneByOne(Decoder):
    """Never trusts columns."""

    def _columns(self, fingerprint: bytes, group: Any) -> Frame | None:
        return None


def decode(records: list[StoredRecord], decoder: Decoder | None = None) -> Decoded:
    """What becomes of these."""
    return (decoder or Decoder(SchemaBook())).decode(delivery_of(records))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_decoders_make_the_same_documents(kind: Kind, data: st.DataObject) -> None:
    """For any events at all: the same frame, the same bulk lines, the same rows, and nothing needs the slow way."""
    drawn = data.draw(st.lists(st.tuples(fields(Common), fields(FIELD_TYPES[kind])), min_size=1, max_size=5))
    records = records_of(kind, drawn)
    decoder = Decoder(SchemaBook())
    [quick] = decode(records, decoder).frames
    [slow] = decode(records, OneByOne(SchemaBook())).frames
    assert decoder.column_failures == 0
    assert quick.rows.equals(slow.rows)
    assert quick.rows.schema == slow.rows.schema
    assert bulk_lines(kind, quick.rows, "s") == bulk_lines(kind, slow.rows, "s")
    assert table_rows(kind, quick.rows) == table_rows(kind, slow.rows)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_documents_say_what_the_event_said(kind: Kind, data: st.DataObject) -> None:
    """Every field of the event is in the document under its own name with its own value; lines are two and valid."""
    [common, own] = data.draw(st.tuples(fields(Common), fields(FIELD_TYPES[kind])))
    records = records_of(kind, [(common, own)])
    [frame] = decode(records).frames
    [line] = bulk_lines(kind, frame.rows, "stem")
    action, source, rest = line.split(b"\n")
    assert rest == b""
    assert orjson.loads(action)["create"]["_id"] == event_id_of(records[0])
    document = json.loads(source)
    event = common | own
    for name, (hint, _) in field_hints(EVENT_TYPES[kind]).items():
        if name not in event or name in {"exchange_id", "occurred_at"} or hint is Micros or hint == bytes | None:
            continue
        if name != "charges":
            assert document[name] == event[name], name
    if "cost_nanos" in event and event["cost_nanos"] is not None:
        assert document["cost"] == event["cost_nanos"] / 1e9


def test_poison_in_the_middle_isolates_exactly_itself() -> None:
    """Bad bodies among good ones are poison with their reasons, and every other record is decoded right."""
    good = [make_record(request_id=f"r{number}") for number in range(50)]
    value = good[10].value
    assert value is not None
    bad = {
        5: record_of(value[:-4], event_id_of(good[10])),
        20: record_of(value + b"\x00", event_id_of(good[10])),
        21: record_of(value[:10] + b"\xff" * 40, "x"),
        30: record_of(None, None),
        31: record_of(b"{}", None),
        40: record_of(value, "somebody-else"),
    }
    mixed = numbered([bad.get(at, record) for at, record in enumerate(good)])
    decoded = decode(mixed)
    poisoned = {record.offset: error.reason for record, error in poisons(decoded.poison)}
    assert poisoned == {
        5: "bad_body",
        20: "bad_body",
        21: "bad_body",
        30: "null_value",
        31: "bad_frame",
        40: "id_mismatch",
    }
    [frame] = decoded.frames
    expected = [event_id_of(record) for at, record in enumerate(good) if at not in bad]
    assert frame.rows["event_id"].to_list() == expected
    assert [event_id_of(cast("StoredRecord", record)) for record in frame.delivery.records] == expected


def poisons(poison: Poison) -> list[tuple[Any, Any]]:
    """Records with their errors."""
    return list(zip(poison.delivery.records, poison.errors, strict=True))


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 9), cut=st.integers(0, 400), junk=st.binary(max_size=8))
def test_any_damage_costs_one_record(position: int, cut: int, junk: bytes) -> None:
    """Wherever a body is cut and whatever follows, the other nine are decoded and no row is shifted."""
    records = numbered([make_record(sequence=number) for number in range(10)])
    value = records[position].value or b""
    records[position].value = value[: 10 + cut] + junk
    decoded = decode(records)
    rows = [row for frame in decoded.frames for row in frame.rows["event_id"].to_list()]
    others = [event_id_of(record) for at, record in enumerate(records) if at != position]
    damaged = event_id_of(records[position])
    assert [name for name in rows if name != damaged] == others
    assert len(rows) + len(decoded.poison) + sum(map(len, decoded.unknown.values())) == 10


def older_schema(kind: Kind, dropped: set[str]) -> dict[str, Any]:
    """A schema of an earlier writer, who did not know some fields."""
    schema = json.loads(json.dumps(event_schema(kind)))
    schema["fields"] = [field for field in schema["fields"] if field["name"] not in dropped]
    return cast("dict[str, Any]", schema)


def written_with(schema: dict[str, Any], event: dict[str, Any]) -> StoredRecord:
    """A record of a writer with another schema."""
    body = record_encoder(schema["fields"])(event)
    return record_of(MAGIC + schema_fingerprint(schema) + body, event["event_id"])


def decoded_event(**changes: Any) -> dict[str, Any]:
    """A whole analytics event as a mapping, times as integers."""
    _, event = SchemaBook().decode(make_event(**changes).value(3))
    epoch_micros = {"occurred_at": 1_764_000_000_000_000, "completed_at": 1_764_000_000_001_500}
    return event | epoch_micros


def test_older_and_newer_writers_fit() -> None:
    """Missing fields get their defaults, further fields are ignored, orders may differ; both decoders agree."""
    old = older_schema("analytics", {"labels", "tool_calls", "cost_nanos", "attempts", "currency"})
    new = older_schema("analytics", set())
    new["fields"].insert(3, {"name": "of_tomorrow", "type": ["null", "string"], "default": None})
    book = SchemaBook()
    for schema in (old, new):
        assert book.learn(json.dumps(schema).encode()) is not None
    records = numbered(
        [written_with(old, decoded_event()), written_with(new, decoded_event() | {"of_tomorrow": "x"}), make_record()]
    )
    quick, slow = Decoder(book), OneByOne(book)
    decoded, other = decode(records, quick), decode(records, slow)
    assert quick.column_failures == 0
    assert [frame.rows.schema for frame in decoded.frames] == [frame.rows.schema for frame in other.frames]
    assert all(a.rows.equals(b.rows) for a, b in zip(decoded.frames, other.frames, strict=True))
    first = decoded.frames[0].rows.row(0, named=True)
    assert (first["labels"], first["tool_calls"], first["cost_nanos"], first["currency"]) == ([], 0, None, "")


def test_changed_type_goes_one_by_one() -> None:
    """A writer whose field has another type that Avro can still resolve is read by fastavro, to the same frame."""
    schema = older_schema("analytics", set())
    field = next(field for field in schema["fields"] if field["name"] == "tool_calls")
    field["type"] = "int"
    book = SchemaBook()
    book.learn(json.dumps(schema).encode())
    decoder = Decoder(book)
    event = decoded_event() | {"tool_calls": 4}
    fields_ = [dict(each, type="long") if each["name"] == "tool_calls" else each for each in schema["fields"]]
    body = record_encoder(fields_)(event)  # int and long are the same bytes
    [frame] = decode([record_of(MAGIC + schema_fingerprint(schema) + body, event["event_id"])], decoder).frames
    assert decoder.column_failures == 1
    assert frame.rows["tool_calls"].to_list() == [4]
    assert dict(frame.rows.schema) == {name: column.dtype for name, column in COLUMNS["analytics"].items()}


def test_schema_with_a_map_does_not_panic_out() -> None:
    """polars panics on Avro maps, with a BaseException: the record goes the slow way and nothing escapes."""
    schema = older_schema("analytics", set())
    schema["fields"].append({"name": "extra", "type": {"type": "map", "values": "string"}, "default": {}})
    book = SchemaBook()
    book.learn(json.dumps(schema).encode())
    event = decoded_event()
    body = record_encoder(older_schema("analytics", set())["fields"])(event) + b"\x00"
    decoder = Decoder(book)
    [frame] = decode([record_of(MAGIC + schema_fingerprint(schema) + body, event["event_id"])], decoder).frames
    assert decoder.column_failures == 1
    assert frame.rows["event_id"].to_list() == [event["event_id"]]


def test_unknown_schemas_are_handed_back() -> None:
    """Records with a fingerprint nobody has shown us are neither frames nor poison."""
    records = numbered([make_record(), record_of(MAGIC + b"12345678" + b"body", "x")])
    decoded = decode(records)
    assert {fingerprint: len(group) for fingerprint, group in decoded.unknown.items()} == {b"12345678": 1}
    assert len(decoded.poison) == 0
    assert len(decoded.frames) == 1


def test_ids_that_cannot_be_an_id_are_poison() -> None:
    """An event id with a quote would break out of the bulk's action line: refused, whoever wrote it."""
    event = decoded_event() | {"event_id": 'x"}}\n{"delete":{}}'}
    record = written_with(event_schema("analytics"), event)
    decoded = decode([record])
    assert [error.reason for error in decoded.poison.errors] == ["bad_event_id"]
    assert decoded.frames == []


def test_times_no_calendar_has_are_poison() -> None:
    """A time beyond the year 9999 is refused in both ways, as no datetime can hold it."""
    [bad, good] = numbered([make_record(occurred_at=2**62), make_record()])
    decoded = decode([bad, good])
    assert [error.reason for error in decoded.poison.errors] == ["bad_body"]
    assert [frame.rows.height for frame in decoded.frames] == [1]


def test_large_events() -> None:
    """Events of a megabyte are decoded as columns like all others."""
    body = ("é" * 250_000).encode()
    records = numbered([make_record("proxy_log", request_body=body, response_body=body) for _ in range(3)])
    decoder = Decoder(SchemaBook())
    [frame] = decode(records, decoder).frames
    assert decoder.column_failures == 0
    document = orjson.loads(bulk_lines("proxy_log", frame.rows, "s")[0].split(b"\n")[1])
    assert document["request_body"] == body.decode()


def test_bodies_that_are_not_text_are_replaced_and_flagged() -> None:
    """Bytes that are not UTF-8 become replacement characters, the document says so, and the row keeps the bytes."""
    raw = b"\xff\x00abc"
    texts = ["plain", "�"]
    records = numbered(
        [
            make_record("proxy_log", request_body=raw, response_body=None),
            make_record("proxy_log", request_body=texts[0].encode(), response_body=texts[1].encode()),
        ]
    )
    [frame] = decode(records).frames
    first, second = [orjson.loads(line.split(b"\n")[1]) for line in bulk_lines("proxy_log", frame.rows, "s")]
    assert (first["request_body"], first["request_body_replaced"]) == ("�\x00abc", True)
    assert (first["response_body"], first["response_body_replaced"]) == (None, False)
    assert [second["request_body"], second["response_body"]] == texts
    assert (second["request_body_replaced"], second["response_body_replaced"]) == (False, False)
    assert table_rows("proxy_log", frame.rows)[0]["request_body"] == raw


def test_polars_uses_one_thread() -> None:
    """One thread per process: more processes are how collectors grow."""
    program = "import collectors.process, polars; print(polars.thread_pool_size())"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"1\n"


def test_a_header_without_a_value_names_no_event() -> None:
    """Kafka has such; the record is decoded by itself, and those beside it with it."""
    records = numbered([make_record(), make_record()])
    records[0].headers = [("ce_id", cast("bytes", None))]
    decoded = Decoder(SchemaBook()).decode(delivery_of(records))
    assert not decoded.poison
    assert sum(len(frame.delivery) for frame in decoded.frames) == 2


def registered(kind: Kind, schema_id: int) -> SchemaBook:
    """A book that knows today's schema by a registry's id too."""
    book = SchemaBook(has_registry=True)
    book.learn(confluent.schema_text(schema_id, schema_json(kind)))
    return book


def framed_by_registry(record: StoredRecord, schema_id: int) -> StoredRecord:
    """The same event behind Confluent's frame."""
    return record_of(confluent.frame_of(schema_id) + cast("bytes", record.value)[HEADER_BYTES:], event_id_of(record))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(picks=st.lists(st.sampled_from(["ours"] * 4 + ["registry", "budget", "null", "empty", "frame", "junk", "else"])))
def test_polls_of_one_schema_are_grouped_as_any_others(picks: list[str]) -> None:
    """Whether the quick look at a poll says that all records share a schema or not: frames, poison and the unknown are
    those of looking at each record."""
    book = registered("analytics", 7)
    ours = make_record("analytics")
    value = cast("bytes", ours.value)
    kinds = {
        "ours": ours,
        "registry": framed_by_registry(ours, 7),
        "budget": make_record("budget"),
        "null": record_of(None, None),
        "empty": record_of(b"", None),
        "frame": record_of(value[:HEADER_BYTES], None),
        "junk": record_of(b"{}" * 20, None),
        "else": record_of(MAGIC + b"12345678" + b"x" * 30, None),
    }
    delivery = delivery_of([kinds[pick] for pick in picks])
    quick = Decoder(book).decode(delivery)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_fingerprint_of_all", lambda _: None)
        slow = Decoder(book).decode(delivery)
    assert [frame.delivery for frame in quick.frames] == [frame.delivery for frame in slow.frames]
    assert all(one.rows.equals(other.rows) for one, other in zip(quick.frames, slow.frames, strict=True))
    assert [error.reason for error in quick.poison.errors] == [error.reason for error in slow.poison.errors]
    assert quick.poison.delivery == slow.poison.delivery
    assert quick.unknown == slow.unknown


def test_events_behind_a_registrys_frame_are_columns_too() -> None:
    """The frame in front of a body is passed by, whatever its length: nothing goes one by one."""
    records = numbered([framed_by_registry(make_record("proxy_log"), 300) for _ in range(20)])
    decoder = Decoder(registered("proxy_log", 300))
    [frame] = decode(records, decoder).frames
    assert decoder.column_failures == 0
    assert frame.rows["event_id"].to_list() == [event_id_of(record) for record in records]
