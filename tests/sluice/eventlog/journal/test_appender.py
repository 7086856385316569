"""The end of the journal: a group that failed has given nothing, and what cannot be encoded fails alone."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import EncodedEvent
from schemas.events import KINDS
from schemas.topics import Topics
from sluice.eventlog.interface import Boot, CommitFailedError, Record
from sluice.eventlog.journal.appender import Append, Appender
from sluice.eventlog.journal.counters import JournalCounters
from sluice.eventlog.journal.disk import Disk
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.frames import MAX_PAYLOAD_BYTES
from sluice.eventlog.journal.offsets import offset_of, split_offset
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.journal.recovery import Recovered, no_sequences, recover_journal
from sluice.eventlog.journal.segment import SegmentReader, read_header, segment_numbers, segment_path
from sluice.eventlog.settings import JournalSettings
from tests.sluice.eventlog.journal.making import BOOT, FailingDisk, exchange, ids_of, sequences_in

FULL = OSError(errno.ENOSPC, "no space left on device")
NOW = 1_700_000_000_000_000
SIDE = Record("sluice.alert.v1", b"k", b"v", (("h", b"1"),))
BAD = EncodedEvent("analytics", "x" * 300, NOW, b"tail")
"""Its id does not fit."""


class Made:
    """An appender with all it was made with."""

    def __init__(
        self, directory: Path, disk: Disk | None = None, found: Recovered | None = None, **fields: Any
    ) -> None:
        self.now = NOW
        self.counters = JournalCounters()
        self.appender = Appender(
            directory,
            JournalSettings(**fields),
            Topics(),
            found or Recovered(),
            disk=disk or Disk(),
            clock=lambda: self.now,
            counters=self.counters,
        )


def begun(directory: Path, disk: Disk | None = None, **fields: Any) -> Made:
    """One that has begun its first segment."""
    made = Made(directory, disk, **fields)
    made.appender.begin(BOOT)
    return made


def read_all(directory: Path) -> list[WrittenRecord]:
    """What a reader finds."""
    reader = JournalReader(directory)
    found: list[WrittenRecord] = []
    while records := reader.read(1000):
        found += records
    reader.close()
    return found


def failing(*calls: str) -> FailingDisk:
    """A disk that fails at these."""
    disk = FailingDisk()
    disk.fail = lambda call: FULL if call in calls else None
    return disk


def test_nothing_is_written_before_it_is_begun(tmp_path: Path) -> None:
    """That is a mistake of ours and says so; no file is made by looking or by sealing."""
    made = Made(tmp_path)
    assert not made.appender.is_begun
    assert (made.appender.mark, made.appender.next_offset) == ((1, 0), offset_of(1, 0))
    with pytest.raises(RuntimeError, match=r"before begin\(\)"):
        made.appender.write([Append(exchange())])
    made.appender.roll()
    made.appender.roll_if_old()
    made.appender.seal()
    assert list(tmp_path.iterdir()) == []


def test_a_group_is_one_write_with_an_end_for_each(tmp_path: Path) -> None:
    """Each append's next offset is behind its own records; what the group says it wrote is what a reader reads."""
    made = begun(tmp_path)
    made.appender.keeps_copies = True
    one, other = exchange(), exchange()
    group = made.appender.write([Append(one), Append((), [SIDE, SIDE]), Append(()), Append(other)])
    assert [split_offset(end) for end in group.ends if isinstance(end, int)] == [(1, 3), (1, 5), (1, 5), (1, 8)]
    assert made.appender.next_offset == group.ends[-1]
    assert group.copy is not None
    records = group.copy.records
    assert records == read_all(tmp_path)
    assert [record.offset for record in records] == [offset_of(1, at) for at in range(8)]
    assert [record.event_id.decode() for record in records if record.event_id] == ids_of([one, other])
    assert {record.appended_at_ms for record in records} == {NOW // 1000}
    assert made.appender.mark == (1, segment_path(tmp_path, 1).stat().st_size)
    counters = made.counters
    assert (counters.batches, counters.records, counters.bytes) == (1, 8, group.size)
    assert made.appender.total_records == 8


def test_records_beside_events_have_numbers_of_their_own(tmp_path: Path) -> None:
    """One append with both: no two records have the same offset, and a reader ends where the append says."""
    made = begun(tmp_path)
    group = made.appender.write([Append(exchange(), [SIDE, SIDE])])
    assert group.copy is None, "nobody asked for one"
    assert [record.offset for record in read_all(tmp_path)] == [offset_of(1, at) for at in range(5)]
    assert group.ends == [offset_of(1, 5)]


def test_a_group_of_nothing_writes_nothing(tmp_path: Path) -> None:
    """No batch is counted and the end stays where it is."""
    made = begun(tmp_path)
    before = made.appender.mark
    for group in ([], [Append(())]):
        assert made.appender.write(group).size == 0
    assert (made.appender.mark, made.counters.batches) == (before, 0)


def test_what_cannot_be_encoded_fails_alone(tmp_path: Path) -> None:
    """All of its own append, nothing of its neighbours; no sequence number and no record number is used up, and no
    listener hears of it."""
    made = begun(tmp_path)
    made.appender.keeps_copies = True
    good = [exchange(), exchange()]
    bad = [exchange()[0], BAD]
    group = made.appender.write([Append(good[0]), Append(bad), Append((), [SIDE]), Append(good[1])])
    assert isinstance(group.ends[1], CommitFailedError)
    assert "cannot be written to the journal" in str(group.ends[1])
    assert [split_offset(end)[1] for end in group.ends if isinstance(end, int)] == [3, 4, 7]
    assert [record.event_id.decode() for record in read_all(tmp_path) if record.event_id] == ids_of(good)
    assert group.copy is not None
    assert group.copy.records == read_all(tmp_path)
    assert made.appender.sequences == dict.fromkeys(KINDS, 2)
    assert all(numbers == [1, 2] for numbers in sequences_in(tmp_path).values())


def test_an_append_that_fails_with_its_side_records_gives_no_number(tmp_path: Path) -> None:
    """The events were encoded already when a record behind them turns out too large."""
    made = begun(tmp_path)
    too_large = Record("t", b"k", bytes(MAX_PAYLOAD_BYTES))
    group = made.appender.write([Append(exchange(), [too_large])])
    assert isinstance(group.ends[0], CommitFailedError)
    assert "no reader would take more than" in str(group.ends[0])
    assert made.appender.sequences == no_sequences()
    assert read_all(tmp_path) == []


def test_a_header_that_is_no_text_fails_alone(tmp_path: Path) -> None:
    """A lone surrogate cannot be encoded; the exchange beside it can."""
    made = begun(tmp_path)
    bad = Record("t", b"k", b"v", (("\ud800", b"x"),))
    group = made.appender.write([Append((), [bad]), Append(exchange())])
    assert isinstance(group.ends[0], CommitFailedError)
    assert isinstance(group.ends[1], int)


@pytest.mark.parametrize("sync", ["none", "full"])
def test_a_group_that_failed_has_given_nothing(tmp_path: Path, sync: str) -> None:
    """Numbers, offsets, mark and counts are as before; the next group takes those numbers, in a new segment."""
    disk = FailingDisk()
    made = begun(tmp_path, disk, sync=sync)
    first, lost, second = exchange(), exchange(), exchange()
    made.appender.write([Append(first)])
    before = (made.appender.mark, made.appender.next_offset, dict(made.appender.sequences), made.counters.records)
    disk.fail = lambda call: FULL if call == "write" else None
    for _ in range(2):
        with pytest.raises(OSError, match="no space left"):
            made.appender.write([Append(lost)])
    assert before == (
        made.appender.mark,
        made.appender.next_offset,
        dict(made.appender.sequences),
        made.counters.records,
    )
    assert made.counters.failed_batches == 1, "the second try did not get to its write: no new segment could be made"
    disk.fail = lambda _: None
    made.appender.write([Append(second)])
    assert segment_numbers(tmp_path) == [1, 2]
    assert [record.event_id.decode() for record in read_all(tmp_path)] == ids_of([first, second])
    assert all(numbers == [1, 2] for numbers in sequences_in(tmp_path).values())
    assert read_header(segment_path(tmp_path, 2)).records_before == 3
    assert made.appender.total_records == 6


def test_a_full_segment_ends_before_the_next_group(tmp_path: Path) -> None:
    """Never within one: a group is in one segment, and records are counted over all of them."""
    made = begun(tmp_path, segment_max_bytes=1)
    for number in range(1, 4):
        group = made.appender.write([Append(exchange()), Append(exchange())])
        assert [split_offset(end) for end in group.ends if isinstance(end, int)] == [(number, 3), (number, 6)]
    headers = [read_header(segment_path(tmp_path, number)) for number in (1, 2, 3)]
    assert [header.records_before for header in headers] == [0, 6, 12]
    assert [header.sequences for header in headers] == [dict.fromkeys(KINDS, count) for count in (0, 2, 4)]
    assert len({header.id for header in headers}) == 3
    assert made.counters.segments_created == 3


def test_an_empty_segment_is_not_ended(tmp_path: Path) -> None:
    """However old or full of schemas it is: there would be one file a second."""
    made = begun(tmp_path, segment_max_age_seconds=1, segment_max_bytes=1)
    made.now += 100_000_000
    for _ in range(3):
        made.appender.roll_if_old()
        made.appender.roll()
    assert segment_numbers(tmp_path) == [1]


def test_an_old_segment_ends(tmp_path: Path) -> None:
    """At its age to the microsecond, so that retention can take it."""
    made = begun(tmp_path, segment_max_age_seconds=10)
    made.appender.write([Append((), [SIDE])])
    made.now += 10_000_000 - 1
    made.appender.roll_if_old()
    assert segment_numbers(tmp_path) == [1]
    made.now += 1
    made.appender.roll_if_old()
    assert segment_numbers(tmp_path) == [1, 2]
    assert read_header(segment_path(tmp_path, 2)).created_at == made.now
    assert made.appender.next_offset == offset_of(2, 0)


def test_a_new_segment_that_cannot_be_made_does_not_stop_writing(tmp_path: Path) -> None:
    """The full one goes on; the next try is not before a second has gone by, so that each write does not try."""
    disk = FailingDisk()
    made = begun(tmp_path, disk, segment_max_bytes=1)
    made.appender.write([Append((), [SIDE])])
    disk.fail = lambda call: FULL if call == "create" else None
    for _ in range(3):
        made.appender.write([Append((), [SIDE])])
    assert made.counters.housekeeping_failures == 1
    assert segment_numbers(tmp_path) == [1]
    disk.fail = lambda _: None
    made.appender.write([Append((), [SIDE])])
    assert segment_numbers(tmp_path) == [1]
    made.appender.roll_if_old()
    made.appender.write([Append((), [SIDE])])
    assert segment_numbers(tmp_path) == [1, 2]
    assert len(read_all(tmp_path)) == 6


def test_a_beginning_that_fails_changes_nothing(tmp_path: Path) -> None:
    """It may be tried again, under the same number."""
    made = Made(tmp_path, failing("create"))
    with pytest.raises(OSError, match="no space left"):
        made.appender.begin(BOOT)
    assert not made.appender.is_begun
    assert made.counters.segments_created == 0
    assert made.appender.mark == (1, 0)


@pytest.mark.parametrize(("boot", "first"), [(BOOT, 8), (Boot("gateway-1", "w0", "boot-2"), 1)])
def test_counting_goes_on_for_the_same_boot_alone(tmp_path: Path, boot: Boot, first: int) -> None:
    """What recovery found is where it goes on; another boot begins at 1. Records are counted over all boots."""
    found = Recovered(BOOT, dict.fromkeys(KINDS, 7), number=5, total_records=40)
    made = Made(tmp_path, found=found)
    assert made.appender.sequences == dict.fromkeys(KINDS, 7)
    assert (made.appender.next_offset, made.appender.total_records) == (offset_of(6, 0), 40)
    made.appender.begin(boot)
    made.appender.write([Append(exchange())])
    assert all(numbers == [first] for numbers in sequences_in(tmp_path).values())
    header = read_header(segment_path(tmp_path, 6))
    assert (header.boot, header.records_before, header.number) == (boot, 40, 6)
    assert recover_journal(tmp_path).total_records == made.appender.total_records == 43


def test_the_ends_it_tells_are_never_changed_in_place(tmp_path: Path) -> None:
    """Another thread may be looking: what it holds stays whole."""
    made = begun(tmp_path)
    held = made.appender.sequences
    made.appender.write([Append(exchange())])
    assert held == no_sequences()
    assert made.appender.sequences == dict.fromkeys(KINDS, 1)


def test_a_seal_is_not_put_behind_a_failed_write(tmp_path: Path) -> None:
    """A clean end is claimed only where it is one; sealing always closes the file."""
    disk = FailingDisk()
    made = begun(tmp_path, disk)
    made.appender.write([Append(exchange())])
    disk.fail = lambda call: FULL if call == "write" else None
    with pytest.raises(OSError, match="no space left"):
        made.appender.write([Append(exchange())])
    disk.fail = lambda _: None
    made.appender.seal()
    reader = SegmentReader(segment_path(tmp_path, 1))
    while reader.next_entry(final=True) is not None:
        pass
    assert not reader.sealed
    reader.close()
    assert not recover_journal(tmp_path).closed_cleanly


def test_a_seal_that_fails_closes_the_file(tmp_path: Path) -> None:
    """The error is told, and a second one does not meet an open file."""
    disk = FailingDisk()
    made = begun(tmp_path, disk)
    disk.fail = lambda call: FULL if call == "write" else None
    with pytest.raises(OSError, match="no space left"):
        made.appender.seal()
    assert made.appender._writer._descriptor == -1
