"""Beats: whoever waits for the same wakes at the same moment, and nobody twice."""

from __future__ import annotations

import asyncio

import pytest

from sluice import beats
from sluice.beats import beat, seconds_to_beat


class Loop:
    """An event loop of which only the clock is asked."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Loop:
    """Beats at whole seconds of a clock that does not run."""
    made = Loop(1_000.0)
    monkeypatch.setattr(beats, "_PHASE", 0.0)
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


@pytest.mark.parametrize(
    ("now", "seconds", "left"),
    [
        (1000.0, 1.0, 1.0),
        (1000.5, 1.0, 0.5),
        (1000.75, 1.0, 0.25),
        (1000.8, 1.0, 1.2),  # so near that it may be the one that was just waited for
        (1000.9995, 1.0, 1.0005),  # a timer that was early: not twice
        (1000.1, 0.25, 0.15),
        (1000.24, 0.25, 0.26),
        (1000.0, 60.0, 20.0),
    ],
)
def test_the_next_beat(clock: Loop, now: float, seconds: float, left: float) -> None:
    """A whole multiple of the seconds away from the clock's beginning, and never too near."""
    clock.now = now
    assert seconds_to_beat(seconds) == pytest.approx(left)


def test_who_waits_for_the_same_wakes_at_once(clock: Loop) -> None:
    """Whenever they began to wait; those that beat four times as often are there too."""
    beats_at = []
    for now, seconds in ((1000.0, 1.0), (1000.3, 1.0), (1000.74, 1.0), (1000.6, 0.25), (1000.8, 0.25)):
        clock.now = now
        beats_at.append(now + seconds_to_beat(seconds))
    assert beats_at == pytest.approx([1001.0, 1001.0, 1001.0, 1000.75, 1001.0])


async def test_a_beat_is_slept_until(clock: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No longer."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    clock.now = 1000.5
    await beat(1.0)
    assert slept == [0.5]
