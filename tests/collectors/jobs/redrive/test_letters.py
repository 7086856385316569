"""A dead letter gives back the record that it was, and its headers are read whatever is in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.jobs.redrive.letters import UNDECODABLE, Letter
from schemas.codec import UndecodableError, UnknownSchemaError
from sluice.eventlog.interface import Partition, StoredRecord
from tests.collectors.jobs.redrive.benches import letters_of, made

PLACE = Partition("sluice.analytics.v1.dlq", 4)


def letter(*headers: tuple[str, bytes | None], value: bytes | None = b"v") -> Letter:
    """One with these headers."""
    given_headers: list[tuple[str, bytes]] = list(headers)  # type: ignore[arg-type]
    return Letter.of(PLACE, StoredRecord(PLACE.topic, 4, 17, 99, b"k", value, given_headers))


def test_the_record_is_as_it_came() -> None:
    """Key, value, headers and topic; it lies where the letter does, and remembers what the letter said of it."""
    [record] = made(1)
    [made_letter] = letters_of([record], collector="store")
    found = Letter.of(PLACE, StoredRecord(made_letter.topic, 4, 17, 99, *made_letter[1:]))
    original = found.original()
    assert (original.key, original.value, list(original.headers)) == (record.key, record.value, list(record.headers))
    assert (original.topic, original.partition, original.offset) == (record.topic, 4, 17)
    assert (original.letter, original.redrives) == ("sluice.analytics.v1.dlq/4/17", 0)
    assert original.facts["offset"] == b"0"
    assert "attempts" not in original.facts


@pytest.mark.parametrize(
    ("value", "count"), [(b"2", 2), (b"", 0), (b"-1", 0), (b"x", 0), (b"1.5", 0), (b"9" * 5_000, 0), (b"\xc2\xb2", 0)]
)
def test_the_count_of_redrives(value: bytes, count: int) -> None:
    """A number, or 0."""
    assert letter(("dlq.redrives", value)).redrives == count


def test_null_headers_are_empty() -> None:
    """Kafka has such."""
    found = letter(("dlq.collector", None), ("ce_id", None))
    assert (found.collector, list(found.original().headers)) == ("", [("ce_id", b"")])


@given(st.lists(st.tuples(st.text().map("dlq.{}".format) | st.text(), st.binary())), st.binary() | st.none())
def test_any_headers_are_read(headers: list[tuple[str, bytes]], value: bytes | None) -> None:
    """And the record is given back without any of ours."""
    found = letter(*headers, value=value)
    original = found.original()
    assert original.value == value
    assert [each for each in headers if not each[0].startswith("dlq.")] == list(original.headers)
    assert isinstance(found.reason + found.collector, str)
    assert found.redrives >= 0


def test_garbage_is_not_carried_on_whole() -> None:
    """What is kept of a letter is bounded: it must leave room for the record."""
    found = letter(("dlq.timestamp", b"x" * 500_000))
    assert len(found.original().facts["timestamp"]) == 1_000


def test_reasons_of_what_nobody_can_decode() -> None:
    """Those of the decoder; a sink's are none."""
    assert UnknownSchemaError(b"x").reason in UNDECODABLE
    assert UndecodableError("bad_body").reason in UNDECODABLE
    assert letter(("dlq.error.type", b"null_value")).is_undecodable
    assert not letter(("dlq.error.type", b"too_large")).is_undecodable
