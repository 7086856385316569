"""The head of a segment: two copies of what everything behind depends on."""

from __future__ import annotations

import dataclasses
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import published_schemas
from schemas.events import KINDS
from schemas.topics import Topics
from sluice.eventlog.interface import Boot
from sluice.eventlog.journal.frames import SCHEMA_MARK, frame, payload_at, seed_of
from sluice.eventlog.journal.header import (
    COPY_BYTES,
    HEADER_BYTES,
    MAGIC,
    BadHeaderError,
    SegmentHeader,
    event_topics,
    parse_header,
    segment_head,
)

names = st.text(st.characters(codec="utf-8"), max_size=40)
numbers = st.integers(min_value=0, max_value=2**63 - 1)


def header(**fields: object) -> SegmentHeader:
    """A header with these fields changed."""
    usual = SegmentHeader(
        number=7,
        boot=Boot("gateway-1", "w0", "boot-1"),
        sequences={"proxy_log": 3, "analytics": 2, "budget": 0},
        records_before=11,
        created_at=1_700_000_000_000_000,
        topics=event_topics(Topics()),
    )
    return dataclasses.replace(usual, **fields)  # type: ignore[arg-type]


@given(
    number=numbers,
    boot=st.builds(Boot, names, names, names),
    sequences=st.fixed_dictionaries(dict.fromkeys(KINDS, numbers)),
    records_before=numbers,
    topics=st.lists(names, max_size=5).map(tuple),
    segment_id=st.binary(min_size=16, max_size=16),
)
@settings(deadline=None)
def test_a_header_is_read_back_as_it_was_written(
    number: int,
    boot: Boot,
    sequences: dict[str, int],
    records_before: int,
    topics: tuple[str, ...],
    segment_id: bytes,
) -> None:
    """Every field, whatever the names are, in exactly two blocks."""
    written = header(
        number=number,
        boot=boot,
        sequences=sequences,
        records_before=records_before,
        topics=topics,
        id=segment_id,
    )
    head = written.to_bytes()
    assert len(head) == HEADER_BYTES
    assert parse_header(head) == written


@given(st.lists(st.tuples(st.integers(0, COPY_BYTES - 1), st.integers(1, 255)), min_size=1, max_size=20), st.booleans())
@settings(deadline=None)
def test_one_copy_is_enough(damage: list[tuple[int, int]], in_first: bool) -> None:
    """Any damage inside one copy leaves the other readable."""
    written = header()
    head = bytearray(written.to_bytes())
    for at, mask in damage:
        head[at + (0 if in_first else COPY_BYTES)] ^= mask
    assert parse_header(bytes(head)) == written


@given(st.integers(0, COPY_BYTES - 1), st.integers(0, COPY_BYTES - 1), st.integers(0, 7))
@settings(deadline=None)
def test_damage_in_both_copies_is_never_read_as_a_header(first: int, second: int, bit: int) -> None:
    """One flipped bit in each copy is enough to refuse the segment."""
    head = bytearray(header().to_bytes())
    head[first] ^= 1 << bit
    head[COPY_BYTES + second] ^= 1 << bit
    with pytest.raises(BadHeaderError, match="no sound segment header"):
        parse_header(bytes(head))


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_garbage_is_no_header(garbage: bytes) -> None:
    """Random bytes, with or without our magic in front, are refused."""
    for head in (garbage, MAGIC + garbage, garbage.ljust(HEADER_BYTES, b"\0")):
        with pytest.raises(BadHeaderError):
            parse_header(head)


@pytest.mark.parametrize("length", [0, 1, 8, 4095])
def test_a_cut_head_is_no_header(length: int) -> None:
    """Less than one whole copy is refused; the first copy alone is enough."""
    head = header().to_bytes()
    with pytest.raises(BadHeaderError):
        parse_header(head[:length])
    assert parse_header(head[:COPY_BYTES]) == header(id=parse_header(head).id)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_of_the_format_is_refused(version: int) -> None:
    """The magic's last byte is the version: a file of another one is not guessed at, though its checksum holds."""
    payload = payload_at(header().to_bytes(), 0, 0)
    assert payload is not None
    foreign = MAGIC[:-1] + bytes([version]) + payload[len(MAGIC) :]
    with pytest.raises(BadHeaderError):
        parse_header(frame(0, foreign) * 2)


def test_a_kind_that_an_older_writer_did_not_know_counts_from_nothing() -> None:
    """Sequences of kinds that the header does not name are 0."""
    assert parse_header(header(sequences={"budget": 4}).to_bytes()).sequences == {
        "proxy_log": 0,
        "analytics": 0,
        "budget": 4,
    }


def test_what_does_not_fit_into_a_copy_is_refused_with_the_remedy() -> None:
    """A header never grows over its second copy: the writer is told which names to shorten."""
    with pytest.raises(ValueError, match=r"shorten gateway_id or kafka\.namespace"):
        header(boot=Boot("g" * COPY_BYTES, "w0", "boot-1")).to_bytes()
    longest = COPY_BYTES - len(header(boot=Boot("", "w0", "boot-1")).to_bytes()[:COPY_BYTES].rstrip())
    fitting = header(boot=Boot("g" * longest, "w0", "boot-1"))
    assert len(fitting.to_bytes()) == HEADER_BYTES
    assert parse_header(fitting.to_bytes()) == fitting
    with pytest.raises(ValueError, match="shorten"):
        header(boot=Boot("g" * (longest + 1), "w0", "boot-1")).to_bytes()


def test_every_segment_has_an_id_and_a_seed_of_its_own() -> None:
    """Two headers with the same fields differ in id, and their checksums start elsewhere."""
    one, other = header(id=os.urandom(16)), header(id=os.urandom(16))
    assert len(header().id) == 16
    assert one.seed == seed_of(one.id) != other.seed
    blank = SegmentHeader(1, one.boot, {}, 0, 0, ())
    assert blank.id != SegmentHeader(1, one.boot, {}, 0, 0, ()).id


def test_the_topics_are_in_the_order_of_the_kinds() -> None:
    """An entry's topic is an index into this tuple, so its order is part of the format."""
    assert event_topics(Topics("acme")) == ("acme.proxy-log.v1", "acme.analytics.v1", "acme.budget.v1")
    assert KINDS == ("proxy_log", "analytics", "budget")


def test_the_schemas_of_the_events_stand_behind_the_header() -> None:
    """One frame each: mark, fingerprint, text; framed with the segment's own seed, and nothing behind them."""
    written = header()
    head = segment_head(written)
    at, found = HEADER_BYTES, []
    while (payload := payload_at(head, at, written.seed)) is not None:
        assert payload.startswith(SCHEMA_MARK)
        found.append((payload[4:12], payload[12:]))
        at += 8 + len(payload)
    assert found == published_schemas()
    assert at == len(head)
    assert payload_at(head, HEADER_BYTES, 0) is None
