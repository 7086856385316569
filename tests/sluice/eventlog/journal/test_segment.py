"""A segment file, read forward: also while it is written, and whatever happened to its bytes."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import published_schemas
from schemas.topics import Topics
from sluice.eventlog.interface import Boot
from sluice.eventlog.journal import frames, segment
from sluice.eventlog.journal.frames import ENTRY_MARK, FRAME, SCHEMA_MARK, SEAL_MARK, frame
from sluice.eventlog.journal.header import (
    COPY_BYTES,
    HEADER_BYTES,
    BadHeaderError,
    SegmentHeader,
    event_topics,
    segment_head,
)
from sluice.eventlog.journal.recovery import no_sequences
from sluice.eventlog.journal.segment import SegmentReader, read_header, segment_numbers, segment_path

HEADER = SegmentHeader(1, Boot("g", "w", "b"), no_sequences(), 0, 0, event_topics(Topics()), id=bytes(range(16)))
HEAD = segment_head(HEADER)
SEAL = frame(HEADER.seed, SEAL_MARK)
bodies = st.lists(st.binary(max_size=60), max_size=8)


def entry(body: bytes) -> bytes:
    """A payload that counts as an entry."""
    return ENTRY_MARK + body


def framed(*payloads: bytes) -> bytes:
    """Frames of this segment, one behind the other."""
    return b"".join(frame(HEADER.seed, payload) for payload in payloads)


def segment_of(directory: Path, data: bytes) -> SegmentReader:
    """A reader of a segment with these bytes behind its head."""
    path = segment_path(directory, 1)
    path.write_bytes(HEAD + data)
    return SegmentReader(path)


def rest_of(reader: SegmentReader, *, final: bool = True) -> list[bytes]:
    """Every entry that comes now."""
    found = []
    while (payload := reader.next_entry(final=final)) is not None:
        found.append(payload)
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples of a property: each writes the file anew."""
    return tmp_path_factory.mktemp("segments")


def test_names_are_numbers_in_order(tmp_path: Path) -> None:
    """Sorted as numbers, above eight digits too; what is not named like a segment is none."""
    assert segment_numbers(tmp_path / "missing") == []
    for number in (100_000_000, 2, 10, 1):
        segment_path(tmp_path, number).touch()
    for name in ("00000003.new", "3.seg", "x00000003.seg", "00000003.seg.tmp", "lock", "00000003.SEG", "-0000003.seg"):
        (tmp_path / name).touch()
    assert segment_numbers(tmp_path) == [1, 2, 10, 100_000_000]
    assert segment_path(tmp_path, 7).name == "00000007.seg"


def test_a_header_is_read_alone(tmp_path: Path) -> None:
    """A file that is missing and one that has no sound header are told apart."""
    path = segment_path(tmp_path, 1)
    with pytest.raises(FileNotFoundError):
        read_header(path)
    path.write_bytes(HEAD)
    assert read_header(path) == HEADER
    path.write_bytes(HEAD[: COPY_BYTES - 1])
    with pytest.raises(BadHeaderError):
        read_header(path)


def test_a_reader_that_is_refused_keeps_no_file_open(tmp_path: Path) -> None:
    """Bad headers are skipped again and again: descriptors must not run out."""
    path = segment_path(tmp_path, 1)
    with pytest.raises(FileNotFoundError):
        SegmentReader(path)
    path.write_bytes(b"garbage")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(20):
        with pytest.raises(BadHeaderError):
            SegmentReader(path)
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def test_nor_does_one_that_fails_in_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a header makes of itself."""

    def fail(_: bytes) -> SegmentHeader:
        raise KeyError("boot_id")

    path = segment_path(tmp_path, 1)
    path.write_bytes(HEAD)
    monkeypatch.setattr(segment, "parse_header", fail)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(20):
        with pytest.raises(KeyError):
            SegmentReader(path)
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


@given(bodies)
@settings(deadline=None, max_examples=50)
def test_entries_are_read_in_order_and_schemas_are_no_entries(directory: Path, parts: list[bytes]) -> None:
    """Then nothing more comes, however often it is asked."""
    reader = segment_of(directory, framed(*map(entry, parts)))
    assert reader.header == HEADER
    assert rest_of(reader, final=False) == list(map(entry, parts))
    assert (reader.next_entry(final=True), reader.next_entry(final=False)) == (None, None)
    assert (reader.damaged, reader.sealed, reader.position) == (0, False, reader.size())
    assert reader.read_schemas() == [text for _, text in published_schemas()]
    reader.close()


@given(bodies.filter(bool), st.data())
@settings(deadline=None, max_examples=100)
def test_a_cut_keeps_exactly_the_whole_entries(directory: Path, parts: list[bytes], data: st.DataObject) -> None:
    """While it may still be written the torn end is waited for; in a final segment it is damage, once."""
    whole = framed(*map(entry, parts))
    cut = data.draw(st.integers(0, len(whole)))
    ends = [len(framed(*map(entry, parts[: count + 1]))) for count in range(len(parts))]
    kept = [entry(part) for part, end in zip(parts, ends, strict=True) if end <= cut]
    sound = max([0, *(end for end in ends if end <= cut)])
    reader = segment_of(directory, whole[:cut])
    assert rest_of(reader, final=False) == kept
    assert (reader.position, reader.damaged) == (len(HEAD) + sound, 0)
    assert rest_of(reader) == []
    assert (reader.position, reader.damaged) == (reader.size(), int(cut > sound))
    reader.close()


@given(bodies.filter(bool), st.lists(st.integers(0, 10_000), max_size=6))
@settings(deadline=None, max_examples=50)
def test_a_segment_that_grows_is_followed(directory: Path, parts: list[bytes], cuts: list[int]) -> None:
    """However the bytes arrive, every entry comes exactly once and nothing counts as damage."""
    whole = framed(*map(entry, parts)) + SEAL
    steps = sorted({0, *(cut % len(whole) for cut in cuts), len(whole)})
    reader = segment_of(directory, b"")
    found: list[bytes] = []
    with segment_path(directory, 1).open("ab") as file:
        for start, end in pairwise(steps):
            file.write(whole[start:end])
            file.flush()
            found += rest_of(reader, final=False)
    assert found == list(map(entry, parts))
    assert (reader.damaged, reader.sealed) == (0, True)
    reader.close()


@given(bodies.filter(bool), st.data())
@settings(deadline=None, max_examples=100)
def test_one_hit_costs_one_entry(directory: Path, parts: list[bytes], data: st.DataObject) -> None:
    """Any byte changed to any other: the entry it belongs to is missing, every other one is there, in order."""
    payloads = [entry(part) for part in parts]
    whole = bytearray(framed(*payloads))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    hit = next(count for count in range(len(parts)) if at < len(framed(*payloads[: count + 1])))
    reader = segment_of(directory, bytes(whole))
    assert rest_of(reader) == payloads[:hit] + payloads[hit + 1 :]
    assert reader.damaged == 1
    reader.close()


@given(st.binary(min_size=1, max_size=300), bodies)
@settings(deadline=None, max_examples=50)
def test_garbage_between_entries_is_stepped_over(directory: Path, garbage: bytes, parts: list[bytes]) -> None:
    """Entries in front of it and behind it are read; it counts as one damaged place."""
    first, last = entry(b"first"), entry(b"last")
    reader = segment_of(directory, framed(first) + garbage + framed(*map(entry, parts), last))
    assert rest_of(reader) == [first, *map(entry, parts), last]
    assert reader.damaged == 1
    reader.close()


def test_damage_at_the_end_of_a_live_segment_is_waited_for(tmp_path: Path) -> None:
    """It may be an append that is not complete: once it is, it is read, though it was looked at before."""
    first, second = entry(b"first"), entry(b"second" * 100)
    half = framed(second)[:300]
    reader = segment_of(tmp_path, framed(first) + half + bytes(len(framed(second)) - 300))
    assert rest_of(reader, final=False) == [first]
    assert reader.damaged == 0
    segment_path(tmp_path, 1).write_bytes(HEAD + framed(first, second))
    assert rest_of(reader, final=False) == [second]
    assert reader.damaged == 0
    reader.close()


def test_an_entry_larger_than_the_buffer_is_read(tmp_path: Path) -> None:
    """Also across the end of what was read at once, and the ones behind it."""
    small, large = entry(b"small" * 1000), entry(os.urandom(3 << 20))
    payloads = [*([small] * 300), large, small, large]
    reader = segment_of(tmp_path, framed(*payloads))
    assert rest_of(reader, final=False) == payloads
    reader.close()


def test_a_seal_is_known_only_while_it_is_last(tmp_path: Path) -> None:
    """It ends a segment on purpose; an entry behind it takes it back."""
    reader = segment_of(tmp_path, framed(entry(b"1")) + SEAL)
    seen = [reader.sealed]
    rest_of(reader)
    seen.append(reader.sealed)
    with segment_path(tmp_path, 1).open("ab") as file:
        file.write(framed(entry(b"2")))
    assert rest_of(reader) == [entry(b"2")]
    assert [*seen, reader.sealed] == [False, True, False]
    reader.close()


def test_frames_of_an_unknown_kind_are_passed_over(tmp_path: Path) -> None:
    """A later version may put something else between entries: it is sound, and no entry."""
    reader = segment_of(tmp_path, framed(b"\xe5JX1later", entry(b"1"), SCHEMA_MARK + b"x" * 20, entry(b"2")))
    assert rest_of(reader) == [entry(b"1"), entry(b"2")]
    assert reader.damaged == 0
    reader.close()


def test_entries_of_another_segment_are_damage(tmp_path: Path) -> None:
    """Blocks of an older file that the file system left there are not read: their seed is another."""
    stale = frame(HEADER.seed ^ 1, entry(b"stale"))
    reader = segment_of(tmp_path, stale + framed(entry(b"mine")) + stale)
    assert rest_of(reader) == [entry(b"mine")]
    assert reader.damaged == 2
    reader.close()


def test_a_file_that_was_cut_while_it_was_read_is_at_its_end(tmp_path: Path) -> None:
    """A failed append is taken back: the reader that saw it waits, and never reads beyond the file."""
    reader = segment_of(tmp_path, framed(entry(b"1"), entry(b"2")))
    rest_of(reader)
    os.truncate(segment_path(tmp_path, 1), len(HEAD))
    assert (reader.next_entry(final=False), reader.next_entry(final=True)) == (None, None)
    assert reader.damaged == 0
    reader.close()


def test_seeking_before_anything_was_read(tmp_path: Path) -> None:
    """To any frame; into the header means its end; into a frame means the next entry; behind the end means none."""
    payloads = [entry(bytes([number]) * 50) for number in range(5)]
    starts = [len(HEAD) + len(framed(*payloads[:number])) for number in range(6)]
    places = [(-5, 0, 0), (0, 0, 0), (HEADER_BYTES, 0, 0), *((start, number, 0) for number, start in enumerate(starts))]
    for position, first, damaged in [*places, (starts[0] + 3, 1, 1), (starts[5] + 100, 5, 0)]:
        reader = segment_of(tmp_path, framed(*payloads))
        reader.seek(position)
        assert rest_of(reader) == payloads[first:]
        assert reader.damaged == damaged
        reader.close()


def test_seeking_back_and_forth(tmp_path: Path) -> None:
    """What was read once is read again, and what lies between is left out."""
    payloads = [entry(bytes([number]) * 50) for number in range(5)]
    reader = segment_of(tmp_path, framed(*payloads))
    rest_of(reader, final=False)
    for number in (0, 4, 2):
        reader.seek(len(HEAD) + len(framed(*payloads[:number])))
        assert rest_of(reader, final=False) == payloads[number:]
    reader.close()


@pytest.mark.parametrize("hit", [0, 5, 30], ids=["length", "checksum", "body"])
def test_a_body_full_of_marks_hides_nothing(tmp_path: Path, hit: int) -> None:
    """A client sent a mebibyte of them and its entry was damaged: the entries behind it are read, also at recovery."""
    noisy = bytearray(framed(entry(ENTRY_MARK * (1 << 18))))
    noisy[hit] ^= 1
    for final in (True, False):
        reader = segment_of(tmp_path, bytes(noisy) + framed(entry(b"behind")))
        assert rest_of(reader, final=final) == [entry(b"behind")]
        assert reader.damaged == 1
        reader.close()


LOOK_ALIKES = (FRAME.pack(1 << 20, 0) + ENTRY_MARK) * 20_000


def test_a_body_full_of_frames_hides_nothing(tmp_path: Path) -> None:
    """Heads of frames, each with a length that would have to be checked: twenty gibibytes, which nobody waits for."""
    noisy = bytearray(framed(entry(LOOK_ALIKES)))
    noisy[30] ^= 1
    reader = segment_of(tmp_path, bytes(noisy) + framed(entry(bytes(2 << 20)), entry(b"behind")))
    assert rest_of(reader) == [entry(bytes(2 << 20)), entry(b"behind")]
    assert reader.damaged == 1
    reader.close()


def test_a_search_that_ends_in_vain_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look-alikes and a damaged length at once: a final segment counts as ended, and says so."""
    monkeypatch.setattr(frames, "MAX_CHECKED_BYTES", 1 << 22)
    noisy = bytearray(framed(entry(LOOK_ALIKES)))
    noisy[0] ^= 1
    reader = segment_of(tmp_path, bytes(noisy) + framed(entry(bytes(2 << 20)), entry(b"behind")))
    assert rest_of(reader) == []
    assert (reader.damaged, reader.position) == (1, reader.size())
    reader.close()
