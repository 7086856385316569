"""What a journal's directory says when it is opened: where to go on, without a number given twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.events import KINDS, Kind
from sluice.eventlog.interface import Boot, Record
from sluice.eventlog.journal.frames import ENTRY_MARK, frame
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.offsets import CommittedOffset, offset_path, store_offset
from sluice.eventlog.journal.recovery import Recovered, event_ids_since, no_sequences, recover_journal
from sluice.eventlog.journal.segment import read_header, segment_numbers, segment_path
from sluice.eventlog.journal.tail import JournalTail
from tests.sluice.eventlog.journal.making import BOOT, begun, exchange, ids_of

SIDE = Record("sluice.alert.v1", b"k", b"v")


def killed(directory: Path, exchanges: int, segments: int = 1) -> Journal:
    """A journal of so many exchanges in each segment, not closed."""
    journal = begun(directory)
    for number in range(segments):
        if number:
            journal._appender.roll()
        for _ in range(exchanges):
            journal.write_now(exchange())
    return journal


def same(count: int) -> dict[Kind, int]:
    """This number for every kind."""
    return dict.fromkeys(KINDS, count)


def append_raw(path: Path, data: bytes) -> None:
    """Bytes behind what is there."""
    with path.open("ab") as file:
        file.write(data)


def test_an_empty_or_missing_directory_is_a_new_journal(tmp_path: Path) -> None:
    """Nobody wrote, nothing was counted, and it is not made."""
    expected = Recovered(None, no_sequences(), 0, 0, closed_cleanly=False, cut_bytes=0, damaged=0)
    assert recover_journal(tmp_path) == expected
    assert recover_journal(tmp_path / "missing") == expected
    assert not (tmp_path / "missing").exists()


def test_a_kill_tells_the_boot_and_what_it_gave(tmp_path: Path) -> None:
    """Sequences and records of all segments, those of the earlier ones from the last one's head."""
    journal = killed(tmp_path, 3, segments=2)
    journal.write_records_now([SIDE])
    assert recover_journal(tmp_path) == Recovered(BOOT, same(6), 2, 19)


async def test_a_clean_end_is_known(tmp_path: Path) -> None:
    """Also where something else left bytes behind the seal: they are cut."""
    await killed(tmp_path, 1).close()
    assert recover_journal(tmp_path).closed_cleanly
    append_raw(segment_path(tmp_path, 1), b"x")
    found = recover_journal(tmp_path)
    assert (found.closed_cleanly, found.cut_bytes) == (True, 1)


def test_a_torn_end_is_cut_and_only_once(tmp_path: Path) -> None:
    """The file ends behind the last sound entry; a second look finds nothing to cut."""
    killed(tmp_path, 2)
    path = segment_path(tmp_path, 1)
    size = path.stat().st_size
    append_raw(path, b"\xff" * 77)
    found = recover_journal(tmp_path)
    assert (found.cut_bytes, found.sequences, path.stat().st_size) == (77, same(2), size)
    assert recover_journal(tmp_path).cut_bytes == 0


def test_sound_entries_behind_damage_are_kept(tmp_path: Path) -> None:
    """Cutting at the first damage would throw away what was acknowledged: the last numbers count."""
    killed(tmp_path, 3)
    path = segment_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    middle = data.index(ENTRY_MARK, data.index(ENTRY_MARK) + 4)
    data[middle + 20] ^= 1
    path.write_bytes(data)
    found = recover_journal(tmp_path)
    assert (found.damaged, found.cut_bytes, found.sequences, found.total_records) == (1, 0, same(3), 9)
    assert path.stat().st_size == len(data)


def test_only_the_last_segment_is_cut(tmp_path: Path) -> None:
    """Earlier ones are final: readers step over what is torn there."""
    killed(tmp_path, 1, segments=2)
    first = segment_path(tmp_path, 1)
    append_raw(first, b"torn")
    size = first.stat().st_size
    assert recover_journal(tmp_path).cut_bytes == 0
    assert first.stat().st_size == size


def test_an_entry_with_a_strange_inside_is_counted_by_its_head(tmp_path: Path) -> None:
    """Its records have their numbers, so the next ones come behind them; its sequences are not guessed."""
    killed(tmp_path, 1)
    path = segment_path(tmp_path, 1)
    strange = ENTRY_MARK + (5).to_bytes(2, "little") + (3).to_bytes(4, "little") + bytes(8)
    append_raw(path, frame(read_header(path).seed, strange))
    found = recover_journal(tmp_path)
    assert (found.total_records, found.sequences, found.damaged, found.cut_bytes) == (8, same(1), 1, 0)


def test_an_entry_that_is_no_more_than_its_mark_keeps_nothing_from_opening(tmp_path: Path) -> None:
    """It is damage, before sound entries and behind them, and no number is taken from it."""
    journal = killed(tmp_path, 1)
    path = segment_path(tmp_path, 1)
    seed = read_header(path).seed
    append_raw(path, frame(seed, ENTRY_MARK))
    assert recover_journal(tmp_path) == Recovered(BOOT, same(1), 1, 3, damaged=1)
    journal.write_now(exchange())
    append_raw(path, frame(seed, ENTRY_MARK + bytes(5)))
    assert recover_journal(tmp_path) == Recovered(BOOT, same(2), 1, 6, damaged=2)
    assert JournalTail(tmp_path).total_records() == 6


@pytest.mark.parametrize("body", [ENTRY_MARK * 50_000, b"\xff\x3f\0\0crc!" + ENTRY_MARK * 50_000], ids=["marks", "one"])
def test_entries_behind_a_damaged_body_full_of_marks_are_not_cut(tmp_path: Path, body: bytes) -> None:
    """They were acknowledged: what a client sent in front of them must not throw them away."""
    journal = killed(tmp_path, 1)
    path = segment_path(tmp_path, 1)
    hit = path.stat().st_size + 100
    journal.write_records_now([Record("sluice.alert.v1", b"k", body)])
    journal.write_now(exchange())
    data = bytearray(path.read_bytes())
    data[hit] ^= 1
    path.write_bytes(data)
    assert recover_journal(tmp_path) == Recovered(BOOT, same(2), 1, 7, damaged=1)
    assert path.stat().st_size == len(data)


@pytest.mark.parametrize("lost", [b"", b"garbage", bytes(9000)])
def test_a_lost_header_makes_nobody_go_on_counting(tmp_path: Path, lost: bytes) -> None:
    """The last segment cannot be read: its boot is unknown, records are counted from before it, it is not touched."""
    killed(tmp_path, 2, segments=3)
    segment_path(tmp_path, 3).write_bytes(lost)
    found = recover_journal(tmp_path)
    assert found == Recovered(None, no_sequences(), 3, 12, closed_cleanly=False, cut_bytes=0, damaged=1)
    assert segment_path(tmp_path, 3).read_bytes() == lost
    segment_path(tmp_path, 2).write_bytes(lost)
    assert recover_journal(tmp_path).total_records == 6
    segment_path(tmp_path, 1).write_bytes(lost)
    assert recover_journal(tmp_path).total_records == 0


def test_numbers_go_on_behind_what_a_group_committed(tmp_path: Path) -> None:
    """A restored copy must not give a segment number again that somebody has an offset in."""
    killed(tmp_path, 1)
    store_offset(offset_path(tmp_path, "group"), CommittedOffset(41, 3, bytes(16)))
    store_offset(offset_path(tmp_path, "other"), CommittedOffset(7, 3, bytes(16)))
    assert recover_journal(tmp_path).number == 41
    begun(tmp_path / "new").write_now(exchange())
    assert recover_journal(tmp_path / "new").number == 1


def test_what_was_never_named_is_removed(tmp_path: Path) -> None:
    """A segment that a crash left without its name has no entries."""
    killed(tmp_path, 1)
    (tmp_path / "00000002.new").write_bytes(b"half a head")
    assert recover_journal(tmp_path).number == 1
    assert sorted(os.listdir(tmp_path)) == ["00000001.seg", "identity", "lock"]  # noqa: PTH208


def test_a_new_boot_counts_anew_and_the_last_one_is_told(tmp_path: Path) -> None:
    """What counts is the boot of the last segment, though others wrote before it."""
    journal = killed(tmp_path, 4)
    second = Boot("gateway-1", "w0", "boot-2")
    journal.begin(second)
    journal.write_now(exchange())
    found = recover_journal(tmp_path)
    assert (found.boot, found.sequences, found.total_records) == (second, same(1), 15)


def test_ids_behind_a_mark_are_exactly_those_appended_since(tmp_path: Path) -> None:
    """In the mark's segment and in all later ones, in order; side records have none."""
    journal = killed(tmp_path, 2)
    mark = journal.mark()
    since = [exchange() for _ in range(3)]
    journal.write_now(since[0])
    journal.write_records_now([SIDE])
    journal._appender.roll()
    journal.write_now(since[1])
    journal._appender.roll()
    second = journal.mark()
    journal.write_now(since[2])
    assert list(event_ids_since(tmp_path, mark)) == ids_of(since)
    assert list(event_ids_since(tmp_path, second)) == ids_of(since[2:])
    assert list(event_ids_since(tmp_path, journal.mark())) == []
    assert list(event_ids_since(tmp_path / "missing", mark)) == []


def test_a_mark_behind_the_end_gives_the_whole_segment(tmp_path: Path) -> None:
    """The file is shorter than it was: too many ids are harmless, a missing one is not."""
    journal = killed(tmp_path, 2)
    size = segment_path(tmp_path, 1).stat().st_size
    assert len(list(event_ids_since(tmp_path, (1, size + 1)))) == 6
    assert list(event_ids_since(tmp_path, (1, size))) == []
    assert list(event_ids_since(tmp_path, (2, 0))) == []
    assert journal.mark() == (1, size)


def test_ids_are_read_around_damage(tmp_path: Path) -> None:
    """A torn entry, one with a strange inside and a lost header hide only their own."""
    journal = killed(tmp_path, 2, segments=3)
    first, second = segment_path(tmp_path, 1), segment_path(tmp_path, 2)
    seed = read_header(first).seed
    append_raw(first, frame(seed, ENTRY_MARK + b"\x09\0" + bytes(12)) + b"torn")
    append_raw(first, frame(seed, b"\xe5JZ1"))
    second.write_bytes(b"garbage")
    assert len(list(event_ids_since(tmp_path, (1, 0)))) == 12
    assert segment_numbers(tmp_path) == [1, 2, 3]
    assert journal.total_records == 18
