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


async def test_who_waits_for_the_same_wakes_at_once() -> None:
    """Whenever they began to wait; those that beat four times as often are there too."""
    loop, woken = asyncio.get_running_loop(), list[float]()

    async def wait(delay: float, seconds: float) -> None:
        await asyncio.sleep(delay)
        await beat(seconds)
        woken.append((loop.time() + beats._PHASE) % 0.05)

    async with asyncio.TaskGroup() as tasks:
        for delay, seconds in ((0.0, 0.2), (0.01, 0.2), (0.03, 0.2), (0.06, 0.05), (0.11, 0.05)):
            tasks.create_task(wait(delay, seconds))
    assert all(each < 0.02 or each > 0.045 for each in woken), woken
