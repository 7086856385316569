"""How far a topic is archived: files that follow one another, what was lost between them, and hints that fit."""

from __future__ import annotations

import pytest

from collectors.services.archive.chain import Chain, Kept, apply_progress, kept_files, progress_of
from collectors.services.archive.layout import Hour
from collectors.services.archive.manifest import PartitionFacts, manifest_of
from sluice.eventlog.interface import Partition
from sluice.eventlog.ranges import OffsetRange

FACTS = PartitionFacts("t", 0, 0, 10, 10)
WHERE = Partition("t", 0)
NOTHING = OffsetRange(0, 0)


def name(first: int, last: int, epoch: int = 0, number: int = 0, topic: str = "t") -> str:
    """Of a file."""
    return f"{topic}-{epoch}-{number}-{first:020}-{last:020}.parquet"


def kept(*ranges: tuple[int, int]) -> list[Kept]:
    """Files."""
    return [Kept(name(*each), *each) for each in ranges]


@pytest.mark.parametrize(
    ("ranges", "lost", "files", "gaps", "at"),
    [
        ([], NOTHING, [], [], 10),
        ([(10, 12), (13, 20)], NOTHING, [(10, 12), (13, 20)], [], 21),
        ([(13, 20), (10, 12)], NOTHING, [(10, 12), (13, 20)], [], 21),
        ([(10, 12), (14, 20)], NOTHING, [(10, 12)], [], 13),
        ([(10, 12), (10, 15), (13, 20), (16, 17)], NOTHING, [(10, 15), (16, 17)], [], 18),
        ([(11, 12)], NOTHING, [], [], 10),
        ([], OffsetRange(10, 30), [], [(10, 29)], 30),
        ([(10, 12)], OffsetRange(10, 30), [(10, 12)], [(13, 29)], 30),
        ([(10, 12), (20, 22)], OffsetRange(10, 20), [(10, 12), (20, 22)], [(13, 19)], 23),
        ([(10, 12), (20, 22)], OffsetRange(10, 40), [(10, 12), (20, 22)], [(13, 19), (23, 39)], 40),
        ([(10, 49)], OffsetRange(10, 40), [(10, 49)], [], 50),
        ([], OffsetRange(25, 30), [], [(25, 29)], 30),
    ],
)
def test_files_follow_one_another(
    ranges: list[tuple[int, int]], lost: OffsetRange, files: list[tuple[int, int]], gaps: list[object], at: int
) -> None:
    """From the beginning on, the longest of those that begin together; what the log lost is a gap, what it still has
    is read again."""
    assert kept_files([name(*each) for each in ranges], "t", FACTS, lost) == (kept(*files), gaps, at)


def test_names_of_others_are_not_ours() -> None:
    """Other epochs, partitions and topics, and names that say nothing."""
    names = [
        name(10, 12, epoch=1),
        name(10, 12, number=1),
        name(10, 12, topic="u"),
        "manifest.json",
        f"t-0-0-{10:020}.x",
    ]
    assert kept_files(names, "t", FACTS, NOTHING) == ([], [], 10)


def chain(done: int = 5, last: int | None = 9) -> Chain:
    """Of a topic with one manifest."""
    made = Chain("t", "analytics")
    made.take((manifest_of("t", Hour(done), None, [PartitionFacts("t", 0, 0, 0, 10, last, 1)], []), "digest"))
    return made


def test_a_hint_is_taken_where_it_fits() -> None:
    """Of the same place and after the same manifest; it never takes anything back."""
    known = chain()
    known.done, known.scanned[WHERE] = Hour(9), 50
    hint = progress_of("here", [known])
    fresh = chain()
    apply_progress(hint, "here", {"t": fresh})
    assert (fresh.done, fresh.scanned[WHERE]) == (Hour(9), 50)
    other = hint.replace(b"digest", b"tsegid")
    for text, where in (
        (hint, "there"),
        (b"garbage", "here"),
        (other, "here"),
        (b"", "here"),
    ):
        fresh = chain()
        apply_progress(text, where, {"t": fresh})
        assert (fresh.done, fresh.scanned[WHERE]) == (Hour(5), 10)


def test_a_hint_is_not_taken_where_nothing_tells_one_log_from_another() -> None:
    """A partition without an archived record may be another log's by now: what was looked through is looked through
    again."""
    known = chain(last=None)
    known.scanned[WHERE] = 50
    fresh = chain(last=None)
    apply_progress(progress_of("here", [known]), "here", {"t": fresh})
    assert fresh.scanned[WHERE] == 10


def test_epochs_are_carried_on() -> None:
    """What an older log had ends where it ended, in every manifest to come."""
    known = chain()
    known.begin_epoch(WHERE, OffsetRange(0, 3))
    assert known.begin(WHERE, OffsetRange(0, 3)).epoch == 1
    [old] = known.carried()
    assert (old.epoch, old.begin, old.end) == (0, 10, 10)


def test_what_was_never_seen_begins_with_the_log_or_with_its_files() -> None:
    """Files of before a crash that no manifest names yet are not lost when the log has lost their records."""
    fresh = Chain("t", "analytics")
    assert fresh.begin(WHERE, OffsetRange(30, 40)).begin == 30
    assert fresh.begin(WHERE, OffsetRange(30, 40), [name(10, 12)]).begin == 10
    assert fresh.begin(WHERE, OffsetRange(30, 40), [name(10, 12, number=1)]).begin == 30
