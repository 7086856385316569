"""What holds the event loop is measured."""

from __future__ import annotations

import asyncio
import time

from sluice.plugin_kit.loop_watch import LoopWatch


async def test_a_held_loop_is_seen() -> None:
    """For as long as it was held, also where nothing is awaited afterwards."""
    with LoopWatch() as watch:
        time.sleep(0.08)  # noqa: ASYNC251 - what is measured
    assert watch.longest_seconds > 0.07


async def test_who_waits_does_not_hold_it() -> None:
    """However long it takes."""
    with LoopWatch() as watch:
        await asyncio.sleep(1.0)
    assert watch.longest_seconds < 0.8
