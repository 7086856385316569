"""What a job reads is fixed once, and what it cannot read any more is said."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.jobs.choosing import Chosen, Moments, choose, event_topics, ranges_as_list, ranges_of
from collectors.jobs.interface import UsageError
from collectors.jobs.options import RangeOptions
from sluice.clock import iso_micros
from sluice.eventlog.interface import Partition
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import NOW_MICROS, TOPICS, partition_of
from tests.collectors.jobs.bench import MemoryOrigin, records

FIRST, SECOND = partition_of(number=0), partition_of(number=1)


def origin() -> MemoryOrigin:
    """Two partitions of analytics, a record each second from now on."""
    return MemoryOrigin({FIRST: records(100), SECOND: records(50, partition=1)})


def at(seconds: float) -> str:
    """A moment so long after the first record."""
    return iso_micros(NOW_MICROS + int(seconds * 1e6))


async def chosen(found: MemoryOrigin, *, yes: bool = False, **given: Any) -> Chosen:
    """What these options mean."""
    options = RangeOptions(**{"topics": ("analytics",), **given})
    return await choose(found, TOPICS, options, Moments.of(options, lambda: NOW_MICROS + 10**12), yes=yes)


@pytest.mark.parametrize(
    ("given", "first", "second"),
    [
        ({}, (0, 100), (0, 50)),
        ({"since": at(10)}, (10, 100), (10, 50)),
        ({"since": at(10), "until": at(20)}, (10, 20), (10, 20)),
        ({"until": at(70)}, (0, 70), (0, 50)),
        ({"since": at(60)}, (60, 100), (50, 50)),
        ({"by": "occurred", "since": at(10)}, (0, 100), (0, 50)),
    ],
)
async def test_moments_become_offsets(given: Any, first: Any, second: Any) -> None:
    """By append time; by occurred_at everything that may have occurred then is read, and rows are asked."""
    found = await chosen(origin(), **given)
    assert found.ranges == {FIRST: OffsetRange(*first), SECOND: OffsetRange(*second)}
    assert bool(found.tests) == ("by" in given)
    assert found.kinds == ("analytics",)
    assert ranges_of(ranges_as_list(found.ranges)) == found.ranges


async def test_partitions_and_offsets() -> None:
    """Of one partition, from the first up to the last; a journal is named by its name."""
    found = await chosen(origin(), partitions=("1",), offset_from=5, offset_to=9)
    assert found.ranges == {SECOND: OffsetRange(5, 9)}
    found = await chosen(origin(), partitions=("0",), offset_to=10_000)
    assert found.offsets == 100
    found = await chosen(origin(), partitions=(f"{FIRST.topic}/0",))
    assert set(found.ranges) == {FIRST}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"topics": ("analytic",)}, "did you mean analytics?"),
        ({"topics": ("alert",)}, "holds no events"),
        ({"topics": ("budget",)}, "nothing of it in memory"),
        ({"partitions": ("7",)}, "no '7'; there are 0, 1"),
        ({"offset_from": 5}, "of one partition"),
        ({"offset_from": 500, "partitions": ("0",)}, "nothing lies between"),
        ({"since": at(500)}, "has offsets 0 to 99"),
        ({"since": "yesterday"}, "--from: 'yesterday' is no moment"),
        ({"since": at(20), "until": at(20)}, "is not after --from"),
        ({"by": "chance"}, "neither appended nor occurred"),
        ({"where": "app_idd = 1"}, "did you mean app_id?"),
        ({"since_letter": "x/0/1", "since": "-1h"}, "give one of them"),
        ({"since_letter": "x"}, "--since-letter: 'x' is no id"),
        ({"since_letter": "sluice.analytics.v1.dlq/0/1"}, "sluice dead-letters list"),
    ],
)
async def test_what_is_not_there_is_said(given: Any, words: str) -> None:
    """With what there is."""
    with pytest.raises(UsageError) as refused:
        await chosen(origin(), **given)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("given", "lost", "read"),
    [
        ({"partitions": ("0",), "offset_from": 5}, "from offset 5 up to 40", 60),
        ({"since": at(-50)}, f"--from {at(40)}", 110),
    ],
)
async def test_what_retention_deleted_asks_for_yes(given: Any, lost: str, read: int) -> None:
    """It says what, and where to begin instead; with --yes the rest is read, and the note stays."""
    found = origin()
    found.first[FIRST] = 40
    with pytest.raises(UsageError, match=r"retention has deleted.*--yes") as refused:
        await chosen(found, **given)
    assert lost in str(refused.value)
    agreed = await chosen(found, yes=True, **given)
    assert (agreed.offsets, "retention has deleted" in agreed.notes[0]) == (read, True)


async def test_the_beginning_is_what_is_there() -> None:
    """Who asks for everything that is there loses nothing; nor does who begins behind what was deleted."""
    found = origin()
    found.first[FIRST] = 40
    assert (await chosen(found)).notes == ()
    assert (await chosen(found, since=at(45))).notes == ()


def test_words_for_topics() -> None:
    """Short names, kinds, whole names; nothing named is all three."""
    assert event_topics((), TOPICS) == tuple(TOPICS.events())
    wanted = ("sluice.proxy-log.v1", "sluice.budget.v1")
    assert event_topics(("proxy-log", "proxy_log", "sluice.budget.v1"), TOPICS) == wanted
    assert event_topics(("events",), TOPICS) == tuple(TOPICS.events())


async def test_an_empty_log_is_said() -> None:
    """There is nothing to do, and that is no success."""
    with pytest.raises(UsageError, match="nothing is to be done"):
        await chosen(MemoryOrigin({Partition("sluice.analytics.v1", 0): []}))
