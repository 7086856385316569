"""Frames: what is written is read back, and nothing else ever is."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sluice.eventlog.journal.frames import (
    ENTRY_MARK,
    FRAME,
    FRAME_BYTES,
    MARK_BYTES,
    MAX_CANDIDATES,
    MAX_PAYLOAD_BYTES,
    SCHEMA_MARK,
    SEAL_MARK,
    checksum,
    find_frame,
    frame,
    payload_at,
    seed_of,
)

seeds = st.integers(0, 2**32 - 1)
payloads = st.binary(min_size=MARK_BYTES, max_size=300)
entries = st.binary(max_size=100).map(lambda rest: ENTRY_MARK + rest)


@given(seeds, payloads, st.binary(max_size=50), st.binary(max_size=50))
@settings(deadline=None)
def test_a_frame_is_read_back_wherever_it_stands(seed: int, payload: bytes, before: bytes, behind: bytes) -> None:
    """Exactly the payload, whatever stands in front of it and behind."""
    framed = frame(seed, payload)
    assert len(framed) == FRAME_BYTES + len(payload)
    assert payload_at(before + framed + behind, len(before), seed) == payload


@given(seeds, payloads, st.data())
@settings(deadline=None)
def test_a_cut_frame_is_none(seed: int, payload: bytes, data: st.DataObject) -> None:
    """Every byte of it must be there."""
    framed = frame(seed, payload)
    cut = data.draw(st.integers(0, len(framed) - 1))
    assert payload_at(framed[:cut], 0, seed) is None


@given(seeds, payloads, st.data())
@settings(deadline=None)
def test_one_flipped_bit_is_noticed(seed: int, payload: bytes, data: st.DataObject) -> None:
    """Wherever it is: length, checksum or payload; also where other bytes follow that a longer length would take in."""
    damaged = bytearray(frame(seed, payload) + bytes(1 << 10))
    bit = data.draw(st.integers(0, 8 * (FRAME_BYTES + len(payload)) - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    assert payload_at(bytes(damaged), 0, seed) is None


@given(seeds, seeds, payloads)
@settings(deadline=None)
def test_a_frame_of_another_segment_is_none(seed: int, other: int, payload: bytes) -> None:
    """The checksum starts from the segment's own seed: a block of another file does not pass."""
    assume(seed != other)
    assert payload_at(frame(other, payload), 0, seed) is None
    assert checksum(seed, payload) != checksum(other, payload)


def test_the_seed_is_made_from_the_segments_id() -> None:
    """The same id gives the same seed, ids that differ in one bit another; it fits the u32 of a frame."""
    assert seed_of(bytes(16)) == seed_of(bytes(16))
    assert len({seed_of(bytes(15) + bytes([last])) for last in range(256)}) == 256
    assert 0 <= seed_of(b"\xff" * 16) < 2**32


@pytest.mark.parametrize("length", [0, 1, MARK_BYTES - 1, MAX_PAYLOAD_BYTES + 1, 2**32 - 1])
def test_a_length_that_no_payload_has_is_damage(length: int) -> None:
    """Below a mark or above the bound nothing is read, though the bytes and the checksum are there."""
    payload = bytes(min(length, 64))
    assert payload_at(FRAME.pack(length, checksum(1, payload)) + payload, 0, 1) is None


def test_the_bounds_of_a_length_are_taken() -> None:
    """A mark alone (the seal) and the largest payload are frames."""
    for payload in (SEAL_MARK, ENTRY_MARK + bytes(MAX_PAYLOAD_BYTES - MARK_BYTES)):
        assert payload_at(frame(9, payload), 0, 9) == payload


def test_marks_cannot_be_taken_for_one_another_or_for_text() -> None:
    """All of one length, all different, and no ASCII."""
    marks = {ENTRY_MARK, SCHEMA_MARK, SEAL_MARK}
    assert len(marks) == 3
    assert {len(mark) for mark in marks} == {MARK_BYTES}
    assert all(mark[0] > 0x7F for mark in marks)


@given(seeds, st.binary(max_size=200), entries)
@settings(deadline=None)
def test_the_next_sound_entry_behind_damage_is_found(seed: int, garbage: bytes, entry: bytes) -> None:
    """Searched from any place up to its own beginning; from behind its beginning it is no longer found."""
    data = garbage + frame(seed, entry)
    assert {find_frame(data, at, seed) for at in range(len(garbage) + 1)} == {len(garbage)}
    assert find_frame(data, len(garbage) + 1, seed) is None


@given(seeds, st.binary(max_size=400))
@settings(deadline=None)
def test_what_is_found_is_always_a_sound_frame(seed: int, data: bytes) -> None:
    """Garbage, with marks sprinkled in, gives no place where nothing can be read."""
    for attempt in (data, data.replace(b"\0", ENTRY_MARK), ENTRY_MARK + data + frame(seed, ENTRY_MARK + data)):
        at = find_frame(attempt, 0, seed)
        if at is not None:
            assert payload_at(attempt, at, seed) is not None


def test_a_look_alike_in_a_body_is_not_found() -> None:
    """A client that sends a whole frame of ours, made with a seed it guessed, is not read as a record."""
    forged = frame(0, ENTRY_MARK + b"forged")
    real = frame(42, ENTRY_MARK + forged + b"real")
    data = b"damage" + real
    assert find_frame(data, 0, 42) == len(b"damage")
    assert find_frame(data, len(b"damage") + 1, 42) is None


def test_only_so_many_look_alikes_are_checked() -> None:
    """The search ends: what lies behind one candidate less than the bound is found, behind more of them it is not."""
    real = frame(42, ENTRY_MARK + b"real")
    for look_alikes, is_found in ((MAX_CANDIDATES - 1, True), (MAX_CANDIDATES, False)):
        noise = bytes(FRAME_BYTES) + ENTRY_MARK * look_alikes
        assert find_frame(noise + real, 0, 42) == (len(noise) if is_found else None)


def test_a_mark_too_near_to_the_beginning_has_no_frame_around_it() -> None:
    """A frame's eight bytes must fit in front of its mark."""
    assert find_frame(ENTRY_MARK * 2, 0, 0) is None
    assert find_frame(b"", 0, 0) is None
