"""The end of a journal, counted as it grows, and how far a group is behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.eventlog.interface import Record
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.offsets import CommittedOffset
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.journal.segment import read_header, segment_path
from sluice.eventlog.journal.tail import JournalTail
from tests.sluice.eventlog.journal.making import begun

SIDE = Record("sluice.alert.v1", b"k", b"v")
ELSEWHERE = bytes(16)


def write(journal: Journal, count: int) -> None:
    """So many records."""
    for _ in range(count):
        journal.write_records_now([SIDE])


def filled(directory: Path, segments: list[int]) -> Journal:
    """A journal whose segments hold so many records, the last one still written."""
    journal = begun(directory)
    for at, count in enumerate(segments):
        if at:
            journal._appender.roll()
        write(journal, count)
    return journal


def commits(directory: Path) -> list[CommittedOffset]:
    """What a group would commit behind each record, the first one behind none."""
    reader = JournalReader(directory)
    found = [CommittedOffset(1, 0, read_header(segment_path(directory, 1)).id)]
    while records := reader.read(1):
        found.append(reader.committed(records[-1].offset + 1))
    reader.close()
    return found


def read_from(directory: Path, committed: CommittedOffset | None) -> int:
    """How many records a group with this offset would still read."""
    reader = JournalReader(directory, committed)
    count = 0
    while records := reader.read(100):
        count += len(records)
    reader.close()
    return count


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of three segments; only read from."""
    directory = tmp_path_factory.mktemp("three")
    filled(directory, [3, 1, 4])
    return directory


def test_a_journal_that_does_not_exist_has_no_records(tmp_path: Path) -> None:
    """Nor has anybody a lag on it, whatever was committed."""
    tail = JournalTail(tmp_path / "missing")
    assert tail.total_records() == 0
    assert tail.lag_records(None) == tail.lag_records(CommittedOffset(5, 5, ELSEWHERE)) == 0
    tail.close()


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans())
@settings(deadline=None, max_examples=25)
def test_the_count_follows_the_writer(
    tmp_path_factory: pytest.TempPathFactory, segments: list[int], looks_often: bool
) -> None:
    """Over segments, whether it looks at every record or only at the end."""
    directory = tmp_path_factory.mktemp("growing")
    journal, tail, total = begun(directory), JournalTail(directory), 0
    for count in segments:
        for _ in range(count):
            write(journal, 1)
            total += 1
            if looks_often:
                assert tail.total_records() == total
        journal._appender.roll()
    assert tail.total_records() == tail.total_records() == journal.total_records == total
    tail.close()


def test_lag_is_what_a_group_would_read(three: Path) -> None:
    """For every offset there is, at segment ends too, and for a group without one."""
    tail = JournalTail(three)
    assert [tail.lag_records(committed) for committed in commits(three)] == list(range(8, -1, -1))
    assert tail.lag_records(None) == 8
    tail.close()


def test_who_knows_the_total_has_the_same_lag_and_reads_no_records(three: Path) -> None:
    """A journal's own relay: it looks each second, and would read all that is written once more."""
    knowing, counting = JournalTail(three), JournalTail(three)
    for committed in (None, *commits(three), CommittedOffset(99, 2, ELSEWHERE), CommittedOffset(3, 1000, ELSEWHERE)):
        assert knowing.lag_records(committed, 8) == counting.lag_records(committed)
    assert knowing._segment is None
    knowing.close()
    counting.close()


def test_an_offset_ahead_of_the_journal_is_no_negative_lag(three: Path) -> None:
    """Ours, and further than what is there: nothing is left to read."""
    tail = JournalTail(three)
    header = read_header(segment_path(three, 3))
    assert tail.lag_records(CommittedOffset(3, 1000, header.id)) == 0
    tail.close()


def test_records_that_retention_took_are_no_lag(tmp_path: Path) -> None:
    """They cannot be read any more: what counts is what is still there."""
    filled(tmp_path, [3, 1, 4])
    offsets = commits(tmp_path)
    segment_path(tmp_path, 1).unlink()
    tail = JournalTail(tmp_path)
    assert tail.total_records() == 8
    for committed in (None, *offsets[:4]):
        assert tail.lag_records(committed) == read_from(tmp_path, committed) == 5
    tail.close()


@pytest.mark.parametrize("segment", [1, 99])
def test_an_offset_that_does_not_fit_counts_everything(three: Path, segment: int) -> None:
    """A reader would begin at the oldest record, so that is how far behind the group is."""
    committed = CommittedOffset(segment, 2, ELSEWHERE)
    tail = JournalTail(three)
    assert tail.lag_records(committed) == read_from(three, committed) == 8
    tail.close()


@pytest.mark.parametrize("segment", [2, 3])
def test_an_offset_of_another_segment_in_the_middle_counts_everything_too(three: Path, segment: int) -> None:
    """The same number under another id: the reader goes back to the oldest segment, not to the start of this one."""
    committed = CommittedOffset(segment, 1, ELSEWHERE)
    tail = JournalTail(three)
    assert tail.lag_records(committed) == read_from(three, committed)
    tail.close()


@pytest.mark.parametrize("committed", [None, CommittedOffset(1, 1, ELSEWHERE)], ids=["none", "inside"])
def test_a_lost_header_does_not_hide_the_lag(tmp_path: Path, committed: CommittedOffset | None) -> None:
    """The oldest segment cannot be read: the group still has those behind it to read."""
    filled(tmp_path, [3, 1, 4])
    segment_path(tmp_path, 1).write_bytes(b"garbage")
    tail = JournalTail(tmp_path)
    assert tail.lag_records(committed) == read_from(tmp_path, committed) == 5
    tail.close()


def test_an_offset_without_a_segments_id_counts_from_where_it_says(three: Path) -> None:
    """A group registered before there was a segment, and one whose header could not be read when it committed."""
    tail = JournalTail(three)
    for committed in (CommittedOffset(1, 0, b""), CommittedOffset(2, 0, b""), CommittedOffset(3, 1, b"")):
        assert tail.lag_records(committed) == read_from(three, committed)
    tail.close()


@pytest.mark.parametrize("lost", [(1,), (2,), (3,), (1, 2), (2, 3), (1, 3), (1, 2, 3)])
def test_whatever_headers_are_lost_the_lag_is_what_would_be_read(tmp_path: Path, lost: tuple[int, ...]) -> None:
    """Of what lies behind the last one that can be read nobody knows; those in front of a lost one still count."""
    filled(tmp_path, [3, 1, 4])
    offsets = [None, *commits(tmp_path), CommittedOffset(2, 1, ELSEWHERE), CommittedOffset(2, 0, b"")]
    for number in lost:
        segment_path(tmp_path, number).write_bytes(b"garbage")
    tail = JournalTail(tmp_path)
    for committed in offsets:
        lag, to_read = tail.lag_records(committed), read_from(tmp_path, committed)
        assert lag >= to_read
        assert (lag == 0) == (to_read == 0)
    tail.close()


def test_a_lost_header_at_the_end_leaves_the_last_count(tmp_path: Path) -> None:
    """The count does not fall, and goes on with the next segment that can be read."""
    journal = filled(tmp_path, [2, 3])
    tail = JournalTail(tmp_path)
    assert tail.total_records() == 5
    segment_path(tmp_path, 3).write_bytes(b"garbage")
    assert tail.total_records() == 5
    segment_path(tmp_path, 3).unlink()
    journal._appender.roll()
    write(journal, 1)
    assert tail.total_records() == 6
    tail.close()


def test_a_torn_end_is_not_counted(tmp_path: Path) -> None:
    """Half an append is no record; once it is whole it is counted once."""
    journal = filled(tmp_path, [2])
    path = segment_path(tmp_path, 1)
    before = path.read_bytes()
    write(journal, 1)
    after = path.read_bytes()
    path.write_bytes(after[:-1])
    tail = JournalTail(tmp_path)
    assert tail.total_records() == 2
    path.write_bytes(after)
    assert tail.total_records() == 3
    assert len(before) < len(after)
    tail.close()


def test_closing_twice_is_closing_once(three: Path) -> None:
    """And what was counted stays known."""
    tail = JournalTail(three)
    assert tail.total_records() == 8
    tail.close()
    tail.close()
    assert tail.total_records() == 8
