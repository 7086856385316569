"""What was deleted between two runs of a job is said, unless it was read before."""

from __future__ import annotations

import json

import pytest

from collectors.jobs.choosing import Chosen
from collectors.jobs.interface import UsageError
from collectors.jobs.resuming import Fixed, still_there
from sluice.clock import now_micros
from sluice.eventlog.interface import StoredRecord
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import partition_of
from tests.collectors.jobs.bench import MemoryOrigin, origin_of

FIRST, GONE = partition_of(number=0), partition_of(number=1)
CHOSEN = Chosen((FIRST.topic,), ("analytics",), {FIRST: OffsetRange(0, 80)})
NAME = f"{FIRST.topic}/0"


async def test_what_is_there_is_as_it_was() -> None:
    """Whatever was appended meanwhile."""
    assert await still_there(origin_of(100), CHOSEN, {NAME: 30}, yes=False) == (CHOSEN.ranges, ())


async def test_what_was_read_before_may_be_gone() -> None:
    """It is not needed any more."""
    origin = origin_of(100)
    origin.first[FIRST] = 30
    assert (await still_there(origin, CHOSEN, {NAME: 30}, yes=False))[0] == CHOSEN.ranges


@pytest.mark.parametrize(("first", "rest"), [(50, OffsetRange(50, 80)), (95, OffsetRange(80, 80))])
async def test_what_is_lost_asks_for_yes(first: int, rest: OffsetRange) -> None:
    """And with it, the rest is read."""
    origin = origin_of(100)
    origin.first[FIRST] = first
    with pytest.raises(UsageError, match=f"{NAME} from offset 30 up to {rest.first}.*--yes"):
        await still_there(origin, CHOSEN, {NAME: 30}, yes=False)
    ranges, notes = await still_there(origin, CHOSEN, {NAME: 30}, yes=True)
    assert (ranges, len(notes)) == ({FIRST: rest}, 1)


async def test_a_partition_that_is_gone_is_lost_whole() -> None:
    """A journal that somebody removed."""
    chosen = Chosen((FIRST.topic,), ("analytics",), {GONE: OffsetRange(0, 5)})
    with pytest.raises(UsageError, match="has lost"):
        await still_there(MemoryOrigin({}), chosen, {}, yes=False)


@pytest.mark.parametrize("count", [10, 79, 100])
async def test_a_log_that_was_made_anew_is_another(count: int) -> None:
    """Its records at the same offsets are others, be they fewer or more: refused, whatever is said; those that were
    appended after the ranges were fixed show it."""
    origin = origin_of(count)
    fixed = Fixed(began_ms=origin.records[FIRST][5].timestamp - 60_000)
    with pytest.raises(UsageError, match=f"{NAME} of memory is not the one"):
        await still_there(origin, CHOSEN, {NAME: 30}, fixed, yes=True)


async def test_a_log_with_another_id_is_another() -> None:
    """Whatever its offsets and append times are, and whatever is said; the message has both ids. An id that nobody
    knew, or that nobody tells now, says nothing."""
    origin = origin_of(100)
    origin.ids[FIRST] = "one"
    fixed = Fixed.read(json.loads(json.dumps((await Fixed.of(origin, CHOSEN.ranges)).as_dict())))
    assert (await still_there(origin, CHOSEN, {NAME: 30}, fixed, yes=False))[0] == CHOSEN.ranges
    origin.ids[FIRST] = "two"
    with pytest.raises(UsageError, match=f"{NAME} of memory is not the one .*its id is two, and was one.*another job"):
        await still_there(origin, CHOSEN, {NAME: 30}, fixed, yes=True)
    old = Fixed.read({"began_ms": fixed.began_ms})
    assert (await still_there(origin, CHOSEN, {NAME: 30}, old, yes=False))[0] == CHOSEN.ranges
    origin.ids.clear()
    assert (await still_there(origin, CHOSEN, {NAME: 30}, fixed, yes=False))[0] == CHOSEN.ranges


async def test_what_was_appended_since_lies_behind_the_ranges() -> None:
    """And shows nothing."""
    origin = origin_of(100)
    fixed = Fixed(began_ms=origin.records[FIRST][79].timestamp)
    assert (await still_there(origin, CHOSEN, {NAME: 30}, fixed, yes=False))[0] == CHOSEN.ranges


async def test_a_clock_that_was_set_back_tells_nothing() -> None:
    """What was appended by a clock that was ahead seems to come later: no job is refused for that."""
    origin = origin_of(100)
    assert (await Fixed.of(origin, CHOSEN.ranges)).began_ms is not None
    for record in origin.records[FIRST][50:]:
        assert isinstance(record, StoredRecord)
        record.timestamp = now_micros() // 1_000 + 3_600_000
    fixed = await Fixed.of(origin, CHOSEN.ranges)
    assert fixed.began_ms is None
    assert (await still_there(origin, CHOSEN, {NAME: 30}, fixed, yes=False))[0] == CHOSEN.ranges
