"""Counts are of what is settled: a job that is resumed counts each record once."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from collectors.deliveries import Delivery
from collectors.jobs.engine.tally import Tally
from collectors.jobs.report import Report
from collectors.tracker import Lane
from sluice.eventlog.interface import StoredRecord
from tests.collectors.events import partition_of

LANE = Lane(partition_of())
OTHER = Lane(partition_of(number=1))


def delivery(offsets: range | list[int], lane: Lane = LANE, size: int = 10) -> Delivery:
    """Records of one lane with values of that size."""
    made = Delivery()
    made.add_lane([StoredRecord("t", 0, offset, 0, None, b"x" * size) for offset in offsets], lane)
    return made


def test_nothing_counts_before_it_is_settled() -> None:
    """What lies at or above the next offset may come again."""
    tally = Tally()
    tally.finished(delivery(range(10)), "delivered", 0)
    assert tally.counts["read"] == 0
    tally.settle({LANE.partition: 4})
    assert (tally.counts["read"], tally.counts["written"], tally.counts["size_bytes"]) == (4, 4, 40)
    tally.settle({LANE.partition: 10})
    assert (tally.counts["read"], tally.counts["written"], tally.counts["size_bytes"]) == (10, 10, 100)


def test_each_outcome_has_its_count() -> None:
    """Filtered is read alone; failed is matched unless nothing could be made of it; passed is neither written nor
    failed."""
    tally = Tally()
    tally.finished(delivery(range(5)), "filtered", 0)
    tally.finished(delivery(range(5, 9)), "passed", 0)
    tally.finished(delivery(range(9, 12)), "dead_lettered", 0)
    undecodable = delivery(range(12, 14))
    tally.undecodable(undecodable)
    tally.finished(undecodable, "dead_lettered", 0)
    tally.finished(delivery(range(14, 20)), "delivered", 2)
    tally.settle({LANE.partition: 20})
    found = {name: tally.counts[name] for name in ("read", "matched", "passed", "failed", "undecodable")}
    assert found == {"read": 20, "matched": 13, "passed": 4, "failed": 5, "undecodable": 2}
    assert (tally.counts["written"], tally.counts["already_there"]) == (4, 2)


@given(
    st.lists(
        st.tuples(st.sampled_from(["delivered", "filtered", "dead_lettered", "passed"]), st.integers(1, 9)), max_size=12
    ),
    st.lists(st.integers(0, 120), max_size=8),
    st.integers(0, 9),
)
def test_however_it_is_cut_the_sums_are_the_same(parts: Any, cuts: list[int], duplicates: int) -> None:
    """Wherever commits fall between and within what was finished together."""
    whole, cut, at = Tally(), Tally(), 0
    for outcome, count in parts:
        for tally in (whole, cut):
            tally.finished(delivery(range(at, at + count)), outcome, min(duplicates, count))
        at += count
    whole.settle({LANE.partition: 1_000})
    for offset in [*sorted(cuts), 1_000]:
        cut.settle({LANE.partition: offset})
    assert cut.counts == whole.counts
    counts = cut.counts
    assert counts["read"] == at
    assert counts["matched"] == counts["written"] + counts["already_there"] + counts["passed"] + counts["failed"]


def test_duplicates_of_a_batch_of_two_partitions_are_all_counted() -> None:
    """Whichever of them they are taken to be of."""
    tally, both = Tally(), delivery(range(3))
    both.extend(delivery(range(3), OTHER))
    tally.finished(both, "delivered", 5)
    tally.settle({LANE.partition: 3, OTHER.partition: 3})
    assert (tally.counts["written"], tally.counts["already_there"]) == (1, 5)


def test_it_goes_on_from_what_was_saved() -> None:
    """Counts, and the first and last moment, over both lives."""
    before = Tally()
    before.matched(pl.Series([50, 20, 30]))
    before.finished(delivery(range(4)), "delivered", 1)
    before.settle({LANE.partition: 4})
    after = Tally(before.as_dict())
    after.matched(pl.Series([10, 25]))
    after.matched(pl.Series([], dtype=pl.Int64))
    after.finished(delivery(range(4, 6)), "delivered", 0)
    after.settle({LANE.partition: 6})
    report = Report("replay", "job")
    after.report_to(report)
    assert (report.read, report.written, report.already_there) == (6, 5, 1)
    assert (report.first_at, report.last_at) == (10, 50)
