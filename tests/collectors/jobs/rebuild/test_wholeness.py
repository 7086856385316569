"""A day may only be exchanged where everything of it that the log has was read."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.jobs.rebuild.interface import Span
from collectors.jobs.rebuild.wholeness import Coverage, why_partial
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import TOPICS, make_record, partition_of
from tests.collectors.jobs.bench import MemoryOrigin

HOUR, DAY = 3_600_000_000, 86_400_000_000
START = 20_000 * DAY
SPAN = Span("analytics", START, START + DAY)
LATER = START + 30 * DAY
P0, P1 = partition_of(), partition_of(number=1)


def origin() -> MemoryOrigin:
    """Two partitions with a record each hour, from two days before the day on: offset 48 begins it, 72 ends it."""
    made = {}
    for partition in (P0, P1):
        records: list[Any] = [make_record(offset=at, partition=partition.partition) for at in range(96)]
        for record in records:
            record.timestamp = (START + (record.offset - 48) * HOUR) // 1_000
        made[partition] = records
    return MemoryOrigin(made)


def coverage(first: int = 0, end: int = 96, **changes: Any) -> Coverage:
    """Of a job that read partition 0 so far, and all of partition 1."""
    there = {P0: OffsetRange(0, 96), P1: OffsetRange(0, 96)}
    asked = {P0: OffsetRange(first, end), P1: OffsetRange(0, 96)}
    given: Any = {"topics": {"analytics": TOPICS.event("analytics").name}, "asked": asked, "there": there}
    return Coverage(**(given | changes))


async def test_a_day_is_whole_from_an_hour_before_it_to_the_end_of_the_log() -> None:
    """Clocks differ by less than that; what is late may be anywhere behind."""
    for first in (0, 46, 47):
        assert await why_partial(SPAN, coverage(first), origin(), LATER) == ""
    assert "read from offset 48 on: rebuild it with an earlier --from" in await why_partial(
        SPAN, coverage(48), origin(), LATER
    )
    assert "read up to offset 95, and late events may lie behind" in await why_partial(
        SPAN, coverage(0, 95), origin(), LATER
    )


async def test_a_day_that_is_not_over_waits() -> None:
    """To the microsecond."""
    assert "it is not over before" in await why_partial(SPAN, coverage(), origin(), SPAN.end - 1)
    assert await why_partial(SPAN, coverage(), origin(), SPAN.end) == ""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"leaves_out": ("--filter",)}, "--filter left events out: rebuild it without"),
        ({"occurred_from": START + 1}, "--from is in the midst of it"),
        ({"occurred_to": START + DAY - 1}, "--to is in the midst of it"),
        ({"asked": {P0: OffsetRange(0, 96)}}, f"partition {P1.topic}/1 was not read"),
        ({"there": {}}, "the log has none of these topics"),
    ],
)
async def test_what_leaves_events_out_is_named(changes: Any, problem: str) -> None:
    """With what to do instead."""
    assert problem in await why_partial(SPAN, coverage(**changes), origin(), LATER)


async def test_bounds_by_occurrence_that_hold_the_day_are_well() -> None:
    """Exactly at its bounds too."""
    exact = coverage(occurred_from=START, occurred_to=START + DAY)
    assert await why_partial(SPAN, exact, origin(), LATER) == ""


@pytest.mark.parametrize(("first", "is_whole"), [(40, True), (46, True), (47, False), (60, False)])
async def test_what_the_log_had_deleted_when_the_job_began_is_missing(first: int, is_whole: bool) -> None:
    """Where its oldest record was appended after the day began, or within the hour that clocks may differ by."""
    log = origin()
    log.first[P0] = first
    there = {P0: OffsetRange(first, 96), P1: OffsetRange(0, 96)}
    why = await why_partial(SPAN, coverage(first, there=there, lost={P0: first}), log, LATER)
    assert why == "" if is_whole else "the log had already deleted the first of it" in why


@pytest.mark.parametrize(("read_from", "is_whole"), [(0, True), (47, False)])
async def test_what_the_log_has_deleted_since_is_not_taken_for_what_there_was(read_from: int, is_whole: bool) -> None:
    """It tells no more where the day began in it: only a job that read from the first record of all is sure."""
    log = origin()
    log.first[P0] = 80
    log.records[P0] = log.records[P0][80:]
    why = await why_partial(SPAN, coverage(read_from), log, LATER)
    assert why == "" if is_whole else "read from offset 47 on" in why


async def test_an_empty_partition_lacks_nothing() -> None:
    """It was never written to."""
    there = {P0: OffsetRange(0, 96), P1: OffsetRange(0, 0)}
    whole = coverage(asked={P0: OffsetRange(0, 96)}, there=there)
    assert await why_partial(SPAN, whole, origin(), LATER) == ""


async def test_topics_of_other_kinds_are_no_concern() -> None:
    """Each has a retention of its own: what is deleted of proxy logs says nothing of analytics. A journal has all."""
    other, log = partition_of("proxy_log"), origin()
    log.records[other], log.first[other] = log.records[P0][60:], 60
    there = {P0: OffsetRange(0, 96), other: OffsetRange(60, 96)}
    topics = {"analytics": P0.topic, "proxy_log": other.topic}
    lacking = coverage(topics=topics, there=there, asked=there, lost={other: 60})
    assert await why_partial(SPAN, lacking, log, LATER) == ""
    assert "already deleted" in await why_partial(SPAN._replace(kind="proxy_log"), lacking, log, LATER)
