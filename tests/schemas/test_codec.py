"""Tests of ``schemas.codec``: events to bytes and back, whoever wrote them, and whatever arrives instead."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro_schema import event_schema, schema_fingerprint, schema_json
from schemas.codec import (
    FINGERPRINTS,
    HEADER_BYTES,
    MAGIC,
    EncodedEvent,
    SchemaBook,
    UndecodableError,
    UnknownSchemaError,
    encode_exchange,
    published_schemas,
    split_frame,
)
from schemas.encoder import encode_bytes, encode_long
from schemas.events import KINDS, SUFFIXES, Kind
from tests.schemas.samples import COMMON, EXCHANGE_ID, FIELDS, analytics, budget, common, proxy_log

BOOK = SchemaBook()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REASONS = {"null_value", "bad_frame", "bad_body", "unknown_schema"}


def moment(micros: int) -> datetime:
    """Micros as the decoder gives them."""
    return EPOCH + timedelta(microseconds=micros)


def with_times(event: dict[str, Any]) -> dict[str, Any]:
    """An event as it was given, its times as the decoder gives them."""
    times: dict[str, Any] = {name: moment(event[name]) for name in ("occurred_at", "completed_at")}
    if "charges" in event:
        periods = ("period_start", "period_end")
        times["charges"] = [
            {**charge, **{name: moment(charge[name]) for name in periods}} for charge in event["charges"]
        ]
    return {**event, **times}


def framed(schema: dict[str, Any], event: dict[str, Any]) -> bytes:
    """An event as another writer would frame it."""
    stream = io.BytesIO()
    schemaless_writer(stream, parse_schema(schema), event)
    return MAGIC + schema_fingerprint(schema) + stream.getvalue()


def encoded(kind: Kind = "analytics") -> EncodedEvent:
    """One plain event."""
    events = encode_exchange(common(), proxy_log(), analytics(), budget())
    return next(event for event in events if event.kind == kind)


def changed(change: Callable[[dict[str, Any]], dict[str, Any]], kind: Kind = "analytics") -> dict[str, Any]:
    """Today's schema with each field changed."""
    schema = event_schema(kind)
    return {**schema, "fields": [change(field) for field in schema["fields"]]}


@given(COMMON, FIELDS["proxy_log"], FIELDS["analytics"], FIELDS["budget"], st.integers(0, (1 << 63) - 1))
def test_what_was_encoded_is_decoded(common: Any, log: Any, usage: Any, charge: Any, sequence: int) -> None:
    """Every value of every field of the three events comes back, with the sequence that the append gave it."""
    events = encode_exchange(common, log, usage, charge)
    assert [event.kind for event in events] == list(KINDS)
    for event, own in zip(events, (log, usage, charge), strict=True):
        kind, decoded = BOOK.decode(event.value(sequence))
        identity = {"event_id": common["exchange_id"] + SUFFIXES[event.kind], "sequence": sequence}
        assert kind == event.kind
        assert decoded == with_times({**identity, **common, **own})


def test_events_that_do_not_exist_are_not_encoded() -> None:
    """An exchange refused before an app was known has a proxy log alone."""
    assert [event.kind for event in encode_exchange(common(), proxy_log())] == ["proxy_log"]
    assert [event.kind for event in encode_exchange(common(), proxy_log(), None, budget())] == ["proxy_log", "budget"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sequence", [0, 1, 63, 64, 8191, 8192, (1 << 63) - 1])
def test_the_sequence_is_spliced_behind_the_event_id(kind: Kind, sequence: int) -> None:
    """``value`` is frame, event id, sequence, tail: the tail is the same for every sequence."""
    event = encoded(kind)
    head = MAGIC + FINGERPRINTS[kind] + encode_bytes(event.event_id.encode())
    assert event.value(sequence) == head + encode_long(sequence) + event.tail
    assert BOOK.decode(event.value(sequence))[1]["sequence"] == sequence


def test_the_trace_context_travels_beside_the_event() -> None:
    """``traceparent`` is kept for the header and is no part of the bytes; without one it is empty."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    (with_trace,) = encode_exchange(common(), proxy_log(), traceparent=trace)
    (without,) = encode_exchange(common(), proxy_log())
    assert (with_trace.traceparent, without.traceparent) == (trace, "")
    assert with_trace.value(1) == without.value(1)


def test_an_encoded_event_knows_its_ids_and_time() -> None:
    """What the log needs without decoding: event id and admission time."""
    event = encoded("budget")
    assert event.event_id == EXCHANGE_ID + "-b"
    assert event.occurred_at == common()["occurred_at"]


def test_every_writer_publishes_what_its_readers_need() -> None:
    """The published schemas are those in front of the events, and a reader learns them from the text alone."""
    assert dict(published_schemas()) == {FINGERPRINTS[kind]: schema_json(kind) for kind in KINDS}
    book = SchemaBook()
    for fingerprint, text in published_schemas():
        assert book.learn(text) == fingerprint


def test_a_writer_of_a_newer_version_is_unknown_until_its_schema_is_learnt() -> None:
    """An old collector reads a new gateway: it asks for the fingerprint, learns the schema, drops what it lacks."""
    schema = event_schema("budget")
    added = {"name": "surcharge_nanos", "type": "long", "default": 0, "doc": ""}
    newer = {**schema, "fields": [*schema["fields"][:2], added, *schema["fields"][2:]]}
    event = {"event_id": EXCHANGE_ID + "-b", "sequence": 3, **common(), **budget(cost_nanos=11)}
    value = framed(newer, {**event, "surcharge_nanos": 5})
    book = SchemaBook()
    with pytest.raises(UnknownSchemaError) as raised:
        book.decode(value)
    assert raised.value.fingerprint == schema_fingerprint(newer)
    assert raised.value.fingerprint not in book
    assert book.learn(json.dumps(newer).encode()) == raised.value.fingerprint
    assert raised.value.fingerprint in book
    assert book.kind(raised.value.fingerprint) == "budget"
    assert json.loads(book.text(raised.value.fingerprint)) == newer
    assert book.decode(value) == ("budget", with_times(event))


def test_fields_that_an_older_writer_lacked_have_their_defaults() -> None:
    """Times among them: a reader's default is a time like any other."""
    schema = event_schema("analytics")
    kept = [field for field in schema["fields"] if field["name"] not in {"completed_at", "tool_calls", "labels"}]
    older = {**schema, "fields": kept}
    event = {"event_id": EXCHANGE_ID + "-a", "sequence": 1, **common(), **analytics()}
    book = SchemaBook()
    book.learn(json.dumps(older).encode())
    _, decoded = book.decode(framed(older, event))
    assert (decoded["completed_at"], decoded["tool_calls"], decoded["labels"]) == (EPOCH, 0, [])
    assert decoded["prompt_tokens"] == 7


def test_a_writer_s_logical_types_do_not_change_what_is_read() -> None:
    """Whatever another writer calls its integers and texts, times are datetimes and ids are text."""

    def retyped(field: dict[str, Any]) -> dict[str, Any]:
        if field["name"] == "event_id":
            return {**field, "type": {"type": "string", "logicalType": "uuid"}}
        return {**field, "type": "long"} if field["name"] == "occurred_at" else field

    schema = changed(retyped)
    plain = changed(lambda field: {**field, "type": "long"} if field["name"].endswith("_at") else field)
    event: dict[str, Any] = {"event_id": EXCHANGE_ID, "sequence": 1, **common(), **analytics()}
    book = SchemaBook()
    fingerprint = book.learn(json.dumps(schema).encode())
    assert fingerprint == schema_fingerprint(plain)
    _, decoded = book.decode(framed(plain, event))
    assert decoded["event_id"] == EXCHANGE_ID
    assert decoded["occurred_at"] == moment(event["occurred_at"])


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"7", b"\xff", b'{"name": "ProxyLog"}', b'{"name": ["ProxyLog"]}', b"[" * 100_000],
)
def test_what_is_no_schema_is_refused_by_name(text: bytes) -> None:
    """Whatever lies in the schema topic, a reader gets one kind of error."""
    with pytest.raises(UndecodableError) as raised:
        SchemaBook().learn(text)
    assert raised.value.reason == "bad_schema"


def test_a_schema_of_something_else_is_not_learnt() -> None:
    """Other records' schemas may share the topic; they are none of ours."""
    assert SchemaBook().learn(b'{"type": "record", "name": "Config", "fields": []}') is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null_value"),
        (b"", "bad_frame"),
        (b"\xc3", "bad_frame"),
        (MAGIC + FINGERPRINTS["budget"], "bad_frame"),
        (b"\x00\x00\x00\x00\x07", "bad_frame"),
        (b"\x01\x00\x00\x00\x07" + b"neither", "bad_frame"),
        (b'{"event_id": "json"}', "bad_frame"),
    ],
)
def test_what_is_not_framed_is_refused_by_name(value: bytes | None, reason: str) -> None:
    """Nothing, too little, another framing: each has a stable reason."""
    with pytest.raises(UndecodableError) as raised:
        split_frame(value)
    assert raised.value.reason == reason


def test_the_fingerprint_stands_behind_the_magic() -> None:
    """``C3 01``, eight bytes, body."""
    assert split_frame(encoded("budget").value(1)) == FINGERPRINTS["budget"]
    assert HEADER_BYTES == 10


def refusal(value: bytes) -> str:
    """The reason with which bytes are refused, empty where they are an event; nothing else may be raised."""
    try:
        BOOK.decode(value)
    except UndecodableError as error:
        return error.reason
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_event_is_refused_wherever_it_was_cut(kind: Kind) -> None:
    """Every prefix of an event is undecodable."""
    value = encoded(kind).value(5)
    assert {refusal(value[:length]) for length in range(len(value))} == {"bad_frame", "bad_body"}


def test_bytes_behind_an_event_are_refused() -> None:
    """An event is all of its record: what is left over says that it was read wrongly."""
    value = encoded("analytics").value(5)
    assert refusal(value + b"\0") == "bad_body"


@pytest.mark.parametrize("year", [-1, 10_000, 250_000])
def test_a_time_that_no_calendar_has_is_refused(year: int) -> None:
    """Outside the years 1 to 9999 no document could hold it."""
    (event,) = encode_exchange(common(occurred_at=(year - 1970) * 31_557_600_000_000), proxy_log())
    assert refusal(event.value(1)) == "bad_body"


@given(st.binary(max_size=400), st.sampled_from([b"", MAGIC, *(MAGIC + FINGERPRINTS[kind] for kind in KINDS)]))
def test_garbage_is_refused_and_never_breaks_the_reader(garbage: bytes, head: bytes) -> None:
    """Whatever arrives, framed or not, only UndecodableError comes of it, with one of the known reasons."""
    assert refusal(head + garbage) in REASONS | {""}


@given(st.data())
def test_flipped_bytes_are_refused_or_read(data: st.DataObject) -> None:
    """An event damaged anywhere either still is one or is refused by name."""
    value = bytearray(encoded("budget").value(9))
    for place in data.draw(st.lists(st.integers(0, len(value) - 1), min_size=1, max_size=4)):
        value[place] = data.draw(st.integers(0, 255))
    assert refusal(bytes(value)) in REASONS | {""}
