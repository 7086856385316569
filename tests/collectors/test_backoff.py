"""Waits grow, are jittered and bounded, and are never shorter than what a server asked for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.backoff import MAX_RETRY_AFTER_SECONDS, Backoff
from collectors.entries import RetrySettings

SETTINGS = RetrySettings(base_seconds=0.5, max_seconds=10.0)
HIGHEST, LOWEST = (lambda: 1.0), (lambda: 0.0)


def test_the_ceiling_doubles_up_to_the_bound() -> None:
    """Half a second, one, two, four, eight, and from then on the bound."""
    backoff = Backoff(SETTINGS, HIGHEST)
    assert [backoff.seconds(attempts) for attempts in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize("attempts", [-(2**70), -1, 0, 1])
def test_before_any_failure_the_wait_is_that_of_the_first(attempts: int) -> None:
    """A count that makes no sense waits as the first failure does, and does not fail."""
    assert Backoff(SETTINGS, HIGHEST).seconds(attempts) == 0.5


@pytest.mark.parametrize("attempts", [31, 32, 1_100, 10**9])
def test_an_hour_of_failures_does_not_overflow(attempts: int) -> None:
    """However long it fails, the wait is the bound: 2**1100 is no float."""
    assert Backoff(SETTINGS, HIGHEST).seconds(attempts) == 10.0


def test_jitter_reaches_down_to_nothing() -> None:
    """Full jitter: those who failed together may be tried again at any time below the ceiling."""
    assert Backoff(SETTINGS, LOWEST).seconds(9) == 0.0
    waits = {Backoff(SETTINGS).seconds(6) for _ in range(50)}
    assert len(waits) > 40
    assert all(0.0 <= wait < 10.0 for wait in waits)


def test_a_base_above_the_bound_waits_the_bound() -> None:
    """The bound is one, whatever the base says."""
    assert Backoff(RetrySettings(base_seconds=60.0, max_seconds=2.0), HIGHEST).seconds(1) == 2.0


def test_what_a_server_asks_for_is_waited_for_and_jittered() -> None:
    """Nobody comes back before ``Retry-After``, and not all at its very moment."""
    assert Backoff(SETTINGS, LOWEST).seconds(1, 30.0) == 30.0
    assert Backoff(SETTINGS, HIGHEST).seconds(1, 30.0) == 30.5


@pytest.mark.parametrize("asked", [MAX_RETRY_AFTER_SECONDS, 86_400.0, float("inf")])
def test_a_server_cannot_ask_for_days(asked: float) -> None:
    """A wrong ``Retry-After`` does not stop a service for longer than the bound."""
    assert Backoff(SETTINGS, LOWEST).seconds(1, asked) == MAX_RETRY_AFTER_SECONDS


@settings(deadline=None)
@given(
    st.integers(-5, 10_000),
    st.none() | st.floats(0, 1e9),
    st.floats(0, 1, exclude_max=True),
    st.floats(0.001, 1e4),
    st.floats(0.001, 1e4),
)
def test_every_wait_is_within_its_bounds(
    attempts: int, asked: float | None, drawn: float, base: float, most: float
) -> None:
    """At least what was asked for, at most that and the bound; more failures never mean a shorter ceiling."""
    backoff = Backoff(RetrySettings(base_seconds=base, max_seconds=most), lambda: drawn)
    least = min(asked or 0.0, MAX_RETRY_AFTER_SECONDS)
    wait = backoff.seconds(attempts, asked)
    assert least <= wait <= least + most
    assert wait <= backoff.seconds(attempts + 1, asked)
