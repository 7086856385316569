"""Confluent's framing: ``00``, four bytes of id, the body; read beside our own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import confluent
from schemas.avro_schema import schema_json
from schemas.codec import FINGERPRINTS, HEADER_BYTES, SchemaBook, UndecodableError, UnknownSchemaError, frame_bytes
from tests.sluice.eventlog.journal.making import exchange


@given(st.integers(0, confluent.MAX_ID), st.binary(min_size=1, max_size=20))
def test_what_is_framed_is_understood(schema_id: int, body: bytes) -> None:
    """Every id a registry can give, any body."""
    value = confluent.frame_of(schema_id) + body
    assert confluent.is_framed(value)
    assert int.from_bytes(confluent.schema_key(value)) == schema_id
    assert value[frame_bytes(confluent.schema_key(value)) :] == body


@pytest.mark.parametrize("schema_id", [-1, confluent.MAX_ID + 1])
def test_what_is_no_id_is_refused(schema_id: int) -> None:
    """With the bounds."""
    with pytest.raises(ValueError, match="is no schema id: a number from 0 to 2147483647"):
        confluent.frame_of(schema_id)


@pytest.mark.parametrize("value", [None, b"", b"\0", b"\0\0\0\0\1", b"\1\0\0\0\1x", b"{}"])
def test_what_is_not_framed_is_seen(value: bytes | None) -> None:
    """Nothing, too little, another first byte."""
    assert not confluent.is_framed(value)


def test_both_framings_of_an_event_are_the_same_event() -> None:
    """Once the id is learned; before, it is unknown and worth waiting for."""
    event = exchange()[2].value(5)
    framed = confluent.frame_of(12) + event[HEADER_BYTES:]
    book = SchemaBook(has_registry=True)
    with pytest.raises(UnknownSchemaError) as raised:
        book.decode(framed)
    assert raised.value.fingerprint == (12).to_bytes(4)
    assert book.learn(confluent.schema_text(12, schema_json("budget"))) == FINGERPRINTS["budget"]
    assert book.decode(framed) == book.decode(event)
    assert book.key_of(framed) in book


def test_without_a_registry_an_id_is_no_frame_of_ours() -> None:
    """It could never be learned: refused at once instead of waited for."""
    with pytest.raises(UndecodableError, match=r"schema_registry\.url is not set") as raised:
        SchemaBook().key_of(b"\0\0\0\0\1x")
    assert raised.value.reason == "bad_frame"


@pytest.mark.parametrize("text", [b"\0\0\0\0\1nonsense", b"\0\0\0\0\1[]", b"\0\0\0\0\1{}"])
def test_a_registry_s_nonsense_is_refused(text: bytes) -> None:
    """Whatever stands behind the id."""
    with pytest.raises(UndecodableError):
        SchemaBook(has_registry=True).learn(text)


def test_a_registry_s_other_schemas_are_none_of_ours() -> None:
    """The id stays unknown: its records are given up after their wait."""
    book = SchemaBook(has_registry=True)
    assert book.learn(b'\0\0\0\0\1{"type": "record", "name": "Order", "fields": []}') is None
    assert b"\0\0\0\1" not in book
