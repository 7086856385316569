"""What may be committed: the longest finished prefix, and nothing twice."""

from __future__ import annotations

import random

from gateway.payloads.lanes import Lane
from sluice.eventlog.interface import Partition, StoredRecord


def lane_of(*offsets: int) -> Lane:
    """A lane that has taken records of these offsets, of as many bytes as their offset."""
    lane = Lane(Partition("t", 0))
    lane.take([StoredRecord("t", 0, offset, 0, b"k", b"x" * offset) for offset in offsets])
    return lane


def test_nothing_is_due_before_anything_was_taken() -> None:
    """Nothing is known of where the group is."""
    assert lane_of().due() is None


def test_the_first_unfinished_holds_what_is_behind_it() -> None:
    """However much of that is finished; offsets may have gaps."""
    lane = lane_of(3, 5, 9)
    lane.finish(5)
    lane.finish(9)
    assert lane.due() == 3
    lane.finish(3)
    assert lane.due() == 10
    assert (len(lane), lane.size_bytes) == (0, 0)


def test_what_is_committed_is_not_due_again() -> None:
    """Until there is something new."""
    lane = lane_of(1)
    lane.finish(1)
    lane.committed(2)
    assert lane.due() is None
    lane.take([StoredRecord("t", 0, 2, 0, b"k", None)])
    assert lane.due() is None
    lane.finish(2)
    assert lane.due() == 3


def test_whatever_the_order_no_unfinished_record_is_passed() -> None:
    """Finished in any order, twice, or never taken at all: the due offset is never beyond the first unfinished."""
    rng = random.Random(7)
    for _ in range(200):
        offsets = sorted(rng.sample(range(100), 20))
        lane, left = lane_of(*offsets), set(offsets)
        for offset in [*rng.sample(offsets, 20), 1000]:
            lane.finish(offset)
            lane.finish(offset)
            left.discard(offset)
            assert lane.due() == (min(left) if left else offsets[-1] + 1)
        assert lane.size_bytes == 0
