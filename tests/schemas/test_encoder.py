"""Tests of ``schemas.encoder``: what it writes, fastavro reads."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st

from schemas import encoder
from schemas.avro_schema import record_schema
from schemas.encoder import LONGS as LOOK_UP
from schemas.encoder import SharedList, encode_bytes, encode_long, keep_text, values_encoder
from schemas.events import FIELD_TYPES, KINDS, Common
from tests.schemas.records import record_encoder
from tests.schemas.samples import COMMON, FIELDS, LONGS, common

PARTS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "common": (Common, COMMON),
    **{str(kind): (FIELD_TYPES[kind], FIELDS[kind]) for kind in KINDS},
}


_OF_ONE_TEXT = record_encoder([{"name": "text", "type": "string"}])
_OF_ONE_BOOLEAN = record_encoder([{"name": "value", "type": "boolean"}])


def encode_text(text: str) -> bytes:
    """A record of one text is that text."""
    return _OF_ONE_TEXT({"text": text})


def written(schema: Any, value: Any) -> bytes:
    """The same value as fastavro writes it."""
    stream = io.BytesIO()
    schemaless_writer(stream, parse_schema(schema), value)
    return stream.getvalue()


def read(schema: Any, raw: bytes) -> Any:
    """What fastavro reads; all of it must be read."""
    stream = io.BytesIO(raw)
    value: Any = schemaless_reader(stream, parse_schema(schema), None)
    assert stream.tell() == len(raw)
    return value


@given(LONGS)
def test_longs_are_fastavro_s(value: int) -> None:
    """Every 64-bit integer has the very bytes that fastavro gives it."""
    assert encode_long(value) == written("long", value)


@given(LONGS)
def test_longs_may_be_looked_up(value: int) -> None:
    """The very same bytes; and what is not small is not kept."""
    kept = len(LOOK_UP)
    assert LOOK_UP[value] == encode_long(value)
    assert len(LOOK_UP) == kept


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1, 1 << 100])
def test_a_number_beyond_64_bits_is_refused(value: int) -> None:
    """It would be written as something that no reader could read."""
    with pytest.raises(OverflowError, match="64 bits"):
        encode_long(value)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_texts_are_fastavro_s(text: str) -> None:
    """Short ones from the cache (asked twice) and long ones alike."""
    assert encode_text(text) == encode_text(text) == written("string", text)


def test_a_lone_surrogate_does_not_lose_the_event() -> None:
    """What is no text becomes a question mark."""
    assert read("string", encode_text("a\ud800b")) == "a?b"


def test_the_cache_of_texts_is_bounded() -> None:
    """Neither many texts nor long ones stay in memory."""
    for number in range(encoder._MAX_CACHED_TEXTS + 10):
        encode_text(f"model-{number}")
    encode_text("x" * 1000)
    assert len(encoder._TEXTS) <= encoder._MAX_CACHED_TEXTS
    assert max(map(len, encoder._TEXTS)) <= encoder._MAX_CACHED_CHARACTERS


def test_a_long_text_that_is_known_to_repeat_is_kept_within_the_same_bound() -> None:
    """A line of headers is encoded once, and forgotten with the others."""
    line = "strict-transport-security: max-age=31536000; includeSubDomains"
    keep_text(line)
    assert encoder._TEXTS[line] == encode_text(line) == written("string", line)
    assert line in encoder._TEXTS
    for number in range(encoder._MAX_CACHED_TEXTS):
        keep_text(f"{line}; {number}")
    assert len(encoder._TEXTS) <= encoder._MAX_CACHED_TEXTS
    assert line not in encoder._TEXTS


def test_absent_texts_are_absent_before_and_after_the_cache_is_cleared() -> None:
    """``None`` stands in the same bounded table as what is there, behind the mark of its branch."""
    encode = record_encoder([{"name": "text", "type": ["null", "string"]}])
    for number in range(encoder._MAX_CACHED_TEXTS + 10):
        assert encode({"text": None}) == b"\0"
        assert encode({"text": f"model-{number}"}) == b"\2" + encode_text(f"model-{number}")
    assert len(encoder._NULLABLE_TEXTS) <= encoder._MAX_CACHED_TEXTS


@pytest.mark.parametrize("name", PARTS)
@given(data=st.data())
def test_fields_that_are_alike_are_looked_up_together(name: str, data: st.DataObject) -> None:
    """Whichever they are and however often: the same bytes, behind what is put in front of them."""
    definition, values = PARTS[name]
    fields, value = record_schema(definition)["fields"], data.draw(values)
    names = [field["name"] for field in fields if not isinstance(value[field["name"]], list)]
    alike = data.draw(st.sets(st.sampled_from(names)))
    encode, plain = record_encoder(fields, (), alike), record_encoder(fields)
    assert encode(value) == encode(value) == plain(value)
    assert encode(value, b"head") == b"head" + plain(value)


def test_what_is_looked_up_together_is_bounded() -> None:
    """Neither many runs of fields nor long ones stay in memory."""
    kinds = ("string", "boolean", "string")
    fields = [{"name": str(at), "type": kind} for at, kind in enumerate(kinds)]
    encode = record_encoder(fields, (), ("0", "1", "2"))
    for number in range(encoder._MAX_RUNS + 10):
        encode({"0": "model", "1": True, "2": f"{number}"})
    encode({"0": "model", "1": True, "2": "x" * 1000})
    runs = encoder._runs_of(json.dumps(kinds))
    assert 0 < len(runs) <= encoder._MAX_RUNS
    assert max(map(len, runs.values())) <= encoder._MAX_RUN_BYTES


@given(LONGS | st.none())
def test_nullable_longs_are_fastavro_s(value: int | None) -> None:
    """Small ones from the table and large ones alike."""
    encode = record_encoder([{"name": "value", "type": ["null", "long"]}])
    assert encode({"value": value}) == written(["null", "long"], value)


def test_large_numbers_do_not_stay_in_the_tables() -> None:
    """Times and durations never end."""
    before = len(encoder.LONGS), len(encoder._SMALL_NULLABLE_LONGS)
    encode = record_encoder([{"name": "value", "type": ["null", "long"]}])
    for value in range(1 << 40, (1 << 40) + 100):
        encode_long(value)
        encode({"value": value})
    assert (len(encoder.LONGS), len(encoder._SMALL_NULLABLE_LONGS)) == before


@given(st.binary(), st.booleans())
def test_bytes_and_booleans_are_fastavro_s(raw: bytes, value: bool) -> None:
    """Bytes carry their length, booleans are one byte."""
    assert encode_bytes(raw) == written("bytes", raw)
    assert _OF_ONE_BOOLEAN({"value": value}) == written("boolean", value)


@pytest.mark.parametrize("name", PARTS)
@given(data=st.data())
def test_records_are_fastavro_s(name: str, data: st.DataObject) -> None:
    """Every part of every event is byte for byte what fastavro would have written."""
    definition, values = PARTS[name]
    schema, value = record_schema(definition), data.draw(values)
    assert record_encoder(schema["fields"])(value) == written(schema, value)


@pytest.mark.parametrize("change", [{"labels": [7]}, {"occurred_at": "now"}, {"app_id": "7"}, {"vendor": None}])
def test_what_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    """A wrong type raises here, where it was made, and is never written as something else."""
    encode = record_encoder(record_schema(Common)["fields"])
    with pytest.raises((TypeError, AttributeError)):
        encode({**common(), **change})


def test_a_missing_field_is_refused() -> None:
    """A field that was forgotten is no default in silence, and one too many is not passed over."""
    encode, values = values_encoder(record_schema(Common)["fields"]), [*common().values()]
    with pytest.raises(TypeError, match="missing 1 required positional argument: '_labels'"):
        encode(b"", *values[:-1])
    with pytest.raises(TypeError, match="positional arguments"):
        encode(b"", *values, "more")


ITEMS: dict[str, tuple[Any, list[Any]]] = {
    "texts": ("string", ["a", "b"]),
    "longs": ("long", [1, 1 << 40]),
    "records": (record_schema(Common), [common(), common(outcome="blocked_pre_auth")]),
    "none": ("string", []),
}


@pytest.mark.parametrize(("kind", "items"), ITEMS.values(), ids=ITEMS)
def test_a_shared_list_is_that_list_and_encoded_once(kind: Any, items: list[Any]) -> None:
    """However many events it stands in."""
    encode = record_encoder([{"name": "items", "type": {"type": "array", "items": kind}}])
    shared = SharedList(items)
    plain = encode({"items": items})
    assert encode({"items": shared}) == plain
    assert shared.encoded == (plain if items else None)
    shared.encoded = b"as it was the first time"
    assert encode({"items": shared}) == (shared.encoded if items else plain)
