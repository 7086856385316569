"""Frames: what is written is read back, and nothing else ever is."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sluice.eventlog.journal import frames
from sluice.eventlog.journal.frames import (
    ENTRY_MARK,
    FRAME,
    FRAME_BYTES,
    MARK_BYTES,
    MAX_PAYLOAD_BYTES,
    SCHEMA_MARK,
    SEAL_MARK,
    checksum,
    crc32c,
    find_frame,
    frame,
    payload_at,
    seed_of,
)

seeds = st.integers(0, 2**32 - 1)
payloads = st.binary(min_size=MARK_BYTES, max_size=300)
entries = st.binary(max_size=100).map(lambda rest: ENTRY_MARK + rest)


def test_the_checksum_is_castagnoli_s() -> None:
    """The check value of the catalogues: brokers compute the same."""
    assert crc32c(b"123456789") == 0xE3069283


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


def test_zeros_behind_zeros_make_no_longer_frame() -> None:
    """Not even from the one seed from which a plain checksum of zeros is the same for any number of them."""
    seed, zeros = 2**32 - 1, bytes(MARK_BYTES)
    longer = bytearray(frame(seed, zeros) + bytes(8))
    longer[0] += 1
    assert payload_at(bytes(longer), 0, seed) is None


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
    assert find_frame(b"damage" + frame(9, payload), 0, 9) == len(b"damage")


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


def look_alikes(count: int, length: int) -> bytes:
    """So many heads of frames with this length, each with the mark of an entry behind it."""
    return (FRAME.pack(length, 0) + ENTRY_MARK) * count


@pytest.mark.parametrize("length", [0, MARK_BYTES - 1, MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES + 1, 2**32 - 1])
def test_marks_without_a_possible_length_cost_nothing(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """Not one byte need be checksummed for them, so however many there are, what lies behind is found."""
    real = frame(42, ENTRY_MARK + b"real")
    monkeypatch.setattr(frames, "MAX_CHECKED_BYTES", len(real) - FRAME_BYTES)
    for noise in (look_alikes(10_000, length), bytes(FRAME_BYTES) + ENTRY_MARK * 30_000):
        assert find_frame(noise + real, 0, 42) == len(noise)


def test_only_so_much_is_checksummed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search ends: what lies behind as many bytes as may be checked is found, behind more of them it is not."""
    real = frame(42, ENTRY_MARK + b"real")
    noise = look_alikes(10, 5)
    for spare, is_found in ((0, True), (-1, False)):
        monkeypatch.setattr(frames, "MAX_CHECKED_BYTES", 10 * 5 + len(real) - FRAME_BYTES + spare)
        assert find_frame(noise + real, 0, 42) == (len(noise) if is_found else None)


@given(seeds, st.integers(1, 200), entries, st.data())
@settings(deadline=None)
def test_where_the_search_ends_the_damaged_frame_says_where_the_next_one_is(
    seed: int, count: int, behind: bytes, data: st.DataObject
) -> None:
    """A body of look-alikes hides no entry behind its own, unless the length itself was hit; never is anything made."""
    damaged = bytearray(frame(seed, ENTRY_MARK + look_alikes(count, MARK_BYTES)))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    whole = bytes(damaged) + frame(seed, behind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "MAX_CHECKED_BYTES", 0)
        found = find_frame(whole, 0, seed)
    if damaged[:4] == frame(seed, ENTRY_MARK + look_alikes(count, MARK_BYTES))[:4]:
        assert found == len(damaged)
    else:
        assert found is None or payload_at(whole, found, seed) is not None


def test_the_bound_lets_every_ordinary_search_end_by_itself() -> None:
    """Several of the largest entries in a row may be damaged."""
    assert frames.MAX_CHECKED_BYTES >= 16 * MAX_PAYLOAD_BYTES


def test_a_mark_too_near_to_the_beginning_has_no_frame_around_it() -> None:
    """A frame's eight bytes must fit in front of its mark."""
    assert find_frame(ENTRY_MARK * 2, 0, 0) is None
    assert find_frame(b"", 0, 0) is None
