"""Tests of ``sluice.sdk.counting``."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.sdk import Leases, ServiceError, ServiceUnavailable, SlidingCounters
from sluice.sdk.fakes import MemoryKeyValue
from sluice.sdk.testing import ManualClock


async def test_what_lies_behind_the_window_counts_in_part() -> None:
    """All of the present bucket, of the one before what still lies within; then nothing."""
    clock = ManualClock()
    counters = SlidingCounters(60, clock.seconds)
    await counters.add("a", 10)
    assert await counters.used("a") == 10
    clock.advance(60)
    assert await counters.used("a") == 10
    clock.advance(15)
    await counters.add("a", 2)
    assert await counters.used("a") == 2 + 10 * 0.75
    assert counters.seconds_left() == 45
    clock.advance(45)
    assert await counters.used("a") == 2
    clock.advance(60)
    assert (await counters.used("a"), len(counters)) == (0, 0)


@given(st.lists(st.tuples(st.floats(0, 59), st.integers(1, 5)), max_size=30))
async def test_a_window_never_counts_more_than_was_used_nor_less_than_the_present_bucket(
    steps: list[tuple[float, int]],
) -> None:
    """Whatever the order of time and use."""
    clock = ManualClock()
    counters = SlidingCounters(60, clock.seconds)
    used: list[tuple[float, int]] = []
    for seconds, amount in steps:
        clock.advance(seconds)
        await counters.add("a", amount)
        used.append((clock.seconds(), amount))
        bucket = clock.seconds() // 60
        present = sum(amount for at, amount in used if at // 60 == bucket)
        both = sum(amount for at, amount in used if at // 60 >= bucket - 1)
        assert present <= await counters.used("a") <= both


async def test_keys_are_apart_and_bounded() -> None:
    """Beyond the bound that one is forgotten which was not added to for longest."""
    counters = SlidingCounters(60, ManualClock().seconds, max_keys=2)
    for key in "abac":
        await counters.add(key)
    assert [await counters.used(key) for key in "abc"] == [2, 0, 1]


async def test_no_key_is_kept_whole_that_a_client_made_long() -> None:
    """Long ones are apart all the same, and take the room of a short one."""
    counters = SlidingCounters(60, ManualClock().seconds)
    first, second = "x" * 1_000_000, "x" * 999_999 + "y"
    await counters.add(first, 2)
    await counters.add(second, 3)
    assert (await counters.used(first), await counters.used(second)) == (2, 3)
    assert max(len(key) for _, key in counters._buckets) < 1000


async def test_what_a_store_does_not_take_is_counted_here() -> None:
    """Of all keys, also of those behind the one at which it failed."""
    counters = SlidingCounters(60, ManualClock().seconds)
    with pytest.raises(ServiceError):
        await counters.add_all(["a", "b"], 5, Away())
    assert [await counters.used(key) for key in "ab"] == [5, 5]


class Away(MemoryKeyValue):
    """A store that takes nothing."""

    async def write_with_ttl(self, key: str, value: bytes, ttl_seconds: float) -> bool:
        raise ServiceUnavailable


async def test_workers_count_together_in_a_store() -> None:
    """Each writes what it counted itself, so that no two overwrite each other; old counts expire."""
    clock = ManualClock()
    kv = MemoryKeyValue(clock)
    first, second = SlidingCounters(60, clock.seconds), SlidingCounters(60, clock.seconds)
    await first.add("a", 3, kv)
    await second.add("a", 4, kv)
    await first.add("a", 1, kv)
    assert (await first.used("a", kv), await second.used("a", kv), await first.used("a")) == (8, 8, 4)
    clock.advance(60)
    assert await second.used("a", kv) == 8
    clock.advance(60)
    assert (await second.used("a", kv), await kv.list()) == (0, [])


def test_what_is_under_way_is_counted_until_it_is_given_back() -> None:
    """Once, however often; other keys are others."""
    leases = Leases(60)
    first, second = leases.take("a"), leases.take("a")
    assert (leases.held("a"), leases.held("b")) == (2, 0)
    first.release()
    first.release()
    assert leases.held("a") == 1
    second.release()
    assert (leases.held("a"), len(leases)) == (0, 0)


def test_what_is_dropped_is_given_back() -> None:
    """As with the state of an exchange that ended before anybody answered."""
    leases = Leases(60)
    state = {"lease": leases.take("a")}
    assert leases.held("a") == 1
    state.clear()
    gc.collect()
    assert (leases.held("a"), len(leases)) == (0, 0)


def test_what_is_held_for_too_long_does_not_count() -> None:
    """It was lost; giving it back later harms nobody."""
    clock = ManualClock()
    leases = Leases(60, clock.seconds)
    lost = leases.take("a")
    clock.advance(60)
    kept = leases.take("a")
    assert leases.held("a") == 1
    lost.release()
    assert leases.held("a") == 1
    kept.release()
    assert leases.held("a") == 0


@pytest.mark.parametrize("window", [10, 60, 3600])
def test_a_bucket_ends_within_its_window(window: int) -> None:
    """Never now."""
    clock = ManualClock()
    for _ in range(20):
        assert 0 < SlidingCounters(window, clock.seconds).seconds_left() <= window
        clock.advance(window / 7)
