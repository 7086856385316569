"""What the sources of jobs share."""

from __future__ import annotations

from collectors.jobs.engine.ungrouped import Ungrouped
from sluice.eventlog.interface import Partition

ONE, OTHER = Partition("t", 0), Partition("t", 1)


async def test_what_is_paused_stays_so_until_it_is_resumed() -> None:
    """However often it is said, and of what was never paused nothing comes; nobody waits for a job."""
    source = Ungrouped()
    source.pause([ONE, OTHER])
    source.pause([ONE])
    source.resume([ONE])
    assert source.paused == {OTHER}
    source.resume([ONE, OTHER])
    assert (source.paused, await source.lag()) == (set(), {})
