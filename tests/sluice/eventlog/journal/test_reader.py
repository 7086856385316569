"""One reader of one journal: every record once, in order, from where its group was, whatever segments come and go."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import published_schemas
from sluice.eventlog.interface import Record
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.frames import ENTRY_MARK, frame
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.offsets import NOTHING_COMMITTED, CommittedOffset, offset_of, split_offset
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.journal.segment import SegmentReader, read_header, segment_numbers, segment_path
from tests.sluice.eventlog.journal.making import begun, exchange, ids_in


def side(number: int) -> Record:
    """A small record of its own."""
    return Record("sluice.alert.v1", str(number).encode(), b"v" * 100)


def filled(directory: Path, segments: list[int]) -> list[bytes]:
    """A journal whose segments hold so many side records; returns the keys, in order. One segment is behind them."""
    journal = begun(directory)
    keys: list[bytes] = []
    for count in segments:
        for _ in range(count):
            record = side(len(keys))
            keys.append(record.key)
            journal.write_records_now([record])
        roll(journal)
    return keys


def roll(journal: Journal) -> None:
    """A new segment, as age would make one."""
    journal._appender.roll()


def read_all(reader: JournalReader, step: int = 1000) -> list[WrittenRecord]:
    """Everything that comes now."""
    found: list[WrittenRecord] = []
    while records := reader.read(step):
        found += records
    return found


def keys_of(records: list[WrittenRecord]) -> list[bytes | None]:
    """The keys."""
    return [record.key for record in records]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A journal of three segments, and an empty one behind; only read from."""
    directory = tmp_path_factory.mktemp("three")
    return directory, filled(directory, [5, 1, 4])


@given(st.integers(1, 12), st.integers(0, 10))
@settings(deadline=None, max_examples=40)
def test_a_second_reader_goes_on_exactly_where_the_first_committed(
    three: tuple[Path, list[bytes]], step: int, stop: int
) -> None:
    """Whatever the size of its steps and whichever record it committed behind."""
    directory, keys = three
    first = JournalReader(directory)
    found = read_all(first, step)
    assert keys_of(found) == keys
    assert [split_offset(record.offset) for record in found] == [
        *((1, at) for at in range(5)),
        (2, 0),
        *((3, at) for at in range(4)),
    ]
    assert first.next_offset == found[-1].offset + 1
    committed = first.committed(found[stop - 1].offset + 1) if stop else None
    first.close()
    second = JournalReader(directory, committed)
    assert keys_of(read_all(second, step)) == keys[stop:]
    assert second.counters.offset_mismatches == 0
    assert second.counters.records == len(keys) - stop
    second.close()


def test_steps_are_bounded_by_records_and_by_bytes(three: tuple[Path, list[bytes]]) -> None:
    """Both bounds end a step behind the entry that reaches them; a step of none reads none."""
    directory, keys = three
    reader = JournalReader(directory)
    assert reader.read(0) == []
    assert reader.read(10, max_bytes=0) == []
    assert keys_of(reader.read(10, max_bytes=1)) == keys[:1]
    assert keys_of(reader.read(2)) == keys[1:3]
    assert keys_of(reader.read(100)) == keys[3:]
    assert (reader.read(100), reader.read(100)) == ([], [])
    reader.close()


def test_an_exchange_is_never_cut(tmp_path: Path) -> None:
    """Whole entries: a step of one record gives the three events of one append."""
    journal = begun(tmp_path)
    events = exchange()
    journal.write_now(events)
    reader = JournalReader(tmp_path)
    assert [record.event_id.decode() for record in reader.read(1)] == [event.event_id for event in events]
    reader.close()


def test_a_start_inside_an_exchange_leaves_out_what_was_committed(tmp_path: Path) -> None:
    """Offsets are of records, not of entries."""
    journal = begun(tmp_path)
    for _ in range(2):
        journal.write_now(exchange())
    reader = JournalReader(tmp_path)
    found = read_all(reader)
    again = JournalReader(tmp_path, reader.committed(found[1].offset + 1))
    assert read_all(again) == found[2:]
    again.close()
    reader.close()


def test_a_journal_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    """Its records come when it does, with the same reader."""
    reader = JournalReader(tmp_path / "later")
    assert (reader.read(10), reader.next_offset, reader.schemas) == ([], 0, [])
    keys = filled(tmp_path / "later", [2])
    assert keys_of(reader.read(10)) == keys
    reader.close()


def test_what_is_appended_later_comes_with_the_next_step(tmp_path: Path) -> None:
    """In the segment that is open and in those that follow."""
    journal = begun(tmp_path)
    reader = JournalReader(tmp_path)
    for number in range(6):
        assert reader.read(10) == []
        journal.write_records_now([side(number)])
        if number % 2:
            roll(journal)
        assert keys_of(reader.read(10)) == [str(number).encode()]
    reader.close()


@pytest.mark.parametrize("removed", [1, 2, 3])
def test_segments_that_retention_removed_are_passed_over(tmp_path: Path, removed: int) -> None:
    """The oldest ones are gone: a group that was in them goes on at the oldest record there is. No mismatch."""
    keys = filled(tmp_path, [2, 2, 2])
    reader = JournalReader(tmp_path)
    committed = reader.committed(reader.read(1)[0].offset + 1)
    reader.close()
    for number in range(1, removed + 1):
        segment_path(tmp_path, number).unlink()
    again = JournalReader(tmp_path, committed)
    assert keys_of(read_all(again)) == keys[2 * removed :]
    assert again.counters.offset_mismatches == 0
    again.close()


def test_a_segment_that_is_missing_between_others_is_noticed(tmp_path: Path) -> None:
    """Older ones lie there and ours does not: somebody restored a copy, so everything is read again."""
    keys = filled(tmp_path, [2, 2, 2])
    reader = JournalReader(tmp_path)
    found = reader.read(3)
    committed = reader.committed(found[2].offset + 1)
    reader.close()
    segment_path(tmp_path, 2).unlink()
    again = JournalReader(tmp_path, committed)
    assert keys_of(read_all(again)) == keys[:2] + keys[4:]
    assert again.counters.offset_mismatches == 1
    again.close()


@pytest.mark.parametrize("segment", [2, 3])
def test_an_offset_of_another_segment_is_not_applied(tmp_path: Path, segment: int) -> None:
    """The number is right and the id is not: reading begins at the oldest segment, and it counts as one mismatch."""
    keys = filled(tmp_path, [2, 2, 2])
    reader = JournalReader(tmp_path, CommittedOffset(segment, 1, bytes(16)))
    assert keys_of(read_all(reader)) == keys
    assert reader.counters.offset_mismatches == 1
    reader.close()


def test_an_offset_beyond_all_segments_begins_again(tmp_path: Path) -> None:
    """An old copy under newer offsets."""
    keys = filled(tmp_path, [2])
    reader = JournalReader(tmp_path, CommittedOffset(99, 1, bytes(16)))
    assert keys_of(read_all(reader)) == keys
    assert reader.counters.offset_mismatches == 1
    reader.close()


def test_an_offset_without_an_id_is_taken_by_its_number(tmp_path: Path) -> None:
    """Registered before there was a segment."""
    keys = filled(tmp_path, [3])
    reader = JournalReader(tmp_path, CommittedOffset(1, 1, b""))
    assert keys_of(read_all(reader)) == keys[1:]
    assert reader.counters.offset_mismatches == 0
    reader.close()


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_an_unreadable_segment_is_skipped_and_counted(tmp_path: Path, lost: int) -> None:
    """Both copies of its header are gone: what lies before and behind is read, once."""
    keys = filled(tmp_path, [2, 2, 2])
    segment_path(tmp_path, lost).write_bytes(b"garbage")
    reader = JournalReader(tmp_path)
    expected = keys[: 2 * (lost - 1)] + keys[2 * lost :]
    assert keys_of(read_all(reader)) == expected
    assert reader.read(10) == []
    assert reader.counters.unreadable_segments == 1
    reader.close()


def test_the_committed_segment_is_unreadable(tmp_path: Path) -> None:
    """Reading goes on behind it, not before: what lies before was committed."""
    keys = filled(tmp_path, [2, 2, 2])
    segment_id = read_header(segment_path(tmp_path, 2)).id
    segment_path(tmp_path, 2).write_bytes(b"garbage")
    reader = JournalReader(tmp_path, CommittedOffset(2, 1, segment_id))
    assert keys_of(read_all(reader)) == keys[4:]
    reader.close()


def test_an_entry_with_a_strange_inside_is_passed_over_and_counted(tmp_path: Path) -> None:
    """Sound by its checksum, and no records can be made of it: the ones behind it come all the same."""
    journal = begun(tmp_path)
    journal.write_records_now([side(0)])
    path = segment_path(tmp_path, 1)
    strange = ENTRY_MARK + (9).to_bytes(2, "little") + bytes(12)
    with path.open("ab") as file:
        file.write(frame(read_header(path).seed, strange))
    journal.write_records_now([side(1)])
    reader = JournalReader(tmp_path)
    assert keys_of(read_all(reader)) == [b"0", b"1"]
    assert reader.counters.damaged == 1
    reader.close()


def test_damage_in_a_live_segment_ends_it_only_when_a_later_one_exists(tmp_path: Path) -> None:
    """A torn end waits: it may be an append. Behind it, in the next segment, everything is read."""
    journal = begun(tmp_path)
    journal.write_records_now([side(0)])
    with segment_path(tmp_path, 1).open("ab") as file:
        file.write(b"\x20\0\0\0torn")
    reader = JournalReader(tmp_path)
    assert keys_of(read_all(reader)) == [b"0"]
    assert reader.counters.damaged == 0
    roll(journal)
    journal.write_records_now([side(1)])
    assert keys_of(read_all(reader)) == [b"1"]
    assert reader.counters.damaged == 1
    reader.close()


@given(st.lists(st.integers(0, 10), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40)
def test_seek_goes_to_any_offset_that_was_handed_out(three: tuple[Path, list[bytes]], stops: list[int]) -> None:
    """Forth and back, over segments, as often as it is asked."""
    directory, keys = three
    reader = JournalReader(directory)
    first = read_all(reader)
    offsets = [first[0].offset, *(record.offset + 1 for record in first)]
    for stop in stops:
        reader.seek(offsets[stop])
        assert reader.next_offset == offsets[stop]
        assert keys_of(read_all(reader)) == keys[stop:]
    assert reader.counters.offset_mismatches == 0
    reader.close()


def test_a_reader_sought_to_the_writers_end_sees_only_what_comes(tmp_path: Path) -> None:
    """Also where the next record begins a new segment."""
    journal = begun(tmp_path)
    journal.write_records_now([side(0)])
    reader = JournalReader(tmp_path)
    reader.seek(journal.next_offset)
    assert reader.read(10) == []
    roll(journal)
    journal.write_records_now([side(1)])
    assert keys_of(reader.read(10)) == [b"1"]
    reader.close()


def test_what_is_committed_names_the_segment(tmp_path: Path) -> None:
    """Ids of older segments are forgotten with it; an offset that was never handed out gets none."""
    filled(tmp_path, [1, 1, 1])
    reader = JournalReader(tmp_path)
    assert reader.committed(0) == NOTHING_COMMITTED
    found = read_all(reader)
    for record in found:
        number = split_offset(record.offset)[0]
        header = read_header(segment_path(tmp_path, number))
        assert reader.committed(record.offset + 1) == CommittedOffset(number, 1, header.id)
    assert reader.committed(offset_of(77, 3)) == CommittedOffset(77, 3, b"")
    assert len(reader._ids) == 0
    reader.close()


def test_a_start_keeps_its_segments_id(tmp_path: Path) -> None:
    """Committing the same offset again, before anything was read, does not lose it."""
    filled(tmp_path, [2])
    start = CommittedOffset(1, 1, b"\x01" * 16)
    reader = JournalReader(tmp_path, start)
    assert reader.committed(start.offset) == start
    assert reader.next_offset == start.offset


def test_schemas_are_learned_from_every_segment(tmp_path: Path) -> None:
    """Once each, also where no entry is read."""
    filled(tmp_path, [1, 1])
    reader = JournalReader(tmp_path)
    reader.skip_to_end()
    assert reader.schemas == [text for _, text in published_schemas()]
    assert reader.counters.records == 0
    reader.close()
    reader.close()


def test_a_segment_that_vanishes_while_it_is_opened_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention ran between the look at the names and the open: reading goes on with the next one."""
    keys = filled(tmp_path, [1, 1])

    def vanishing(path: Path) -> SegmentReader:
        if path == segment_path(tmp_path, 1):
            path.unlink()
        return SegmentReader(path)

    monkeypatch.setattr("sluice.eventlog.journal.reader.SegmentReader", vanishing)
    reader = JournalReader(tmp_path)
    assert keys_of(read_all(reader)) == keys[1:]
    assert reader.counters.segments_gone == 1
    assert segment_numbers(tmp_path) == [2, 3]
    reader.close()


def test_reading_changes_nothing(three: tuple[Path, list[bytes]]) -> None:
    """A reader holds no lock and writes no byte."""
    directory, _ = three
    before = {path: path.read_bytes() for path in directory.iterdir()}
    assert ids_in(directory) == []
    assert {path: path.read_bytes() for path in directory.iterdir()} == before
