"""Tests of ``collectors.jobs.reprice.seen``: each event once."""

from __future__ import annotations

from contextlib import closing

import pytest

from collectors.jobs.reprice.seen import Seen
from sluice.eventlog.interface import EventLogError


def test_an_event_is_new_once() -> None:
    """Among those beside it, and in whatever comes later."""
    with closing(Seen()) as seen:
        assert seen.new(["a", "b", "a", "c"]) == [0, 1, 3]
        assert seen.new(["c", "d"]) == [1]
        assert seen.new([]) == []
        assert seen.again == 2


def test_a_disk_that_is_full_is_said() -> None:
    """With what to do."""
    with closing(Seen()) as seen:
        seen._database.execute("PRAGMA max_page_count = 10")
        with pytest.raises(EventLogError, match=r"full; make room"):
            seen.new(f"{at:0200}" for at in range(1_000))
