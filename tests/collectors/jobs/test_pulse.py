"""What a job says of itself while it runs, for onlookers alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from collectors.jobs.pulse import BEAT_SECONDS, PULSE, Pulse


class Clock:
    """Turned by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def told(folder: Path) -> dict[str, Any]:
    """What an onlooker reads."""
    found: dict[str, Any] = orjson.loads((folder / PULSE).read_bytes())
    return found


def test_how_far_how_fast_and_how_long_yet(tmp_path: Path) -> None:
    """The rate and the time left are of this run: what a run before had done is in neither."""
    clock = Clock()
    pulse = Pulse(tmp_path, clock)
    pulse.beat(100, 300, lambda: {"read": 50})
    assert (told(tmp_path)["seconds_left"], told(tmp_path)["rate"]) == (None, None)
    clock.seconds += 10
    pulse.beat(150, 300, lambda: {"read": 90, "written": 80})
    assert told(tmp_path) == {
        "done": 150, "total": 300, "seconds_left": 30.0, "rate": 4.0, "counts": {"read": 90, "written": 80},
    }  # fmt: skip


def test_it_is_told_no_more_often_than_eyes_can_follow(tmp_path: Path) -> None:
    """Nor are the counts asked for in between."""
    clock, asked = Clock(), list[int]()

    def counts() -> Mapping[str, int]:
        asked.append(1)
        return {}

    pulse = Pulse(tmp_path, clock)
    for _ in range(8):
        pulse.beat(1, 2, counts)
        clock.seconds += BEAT_SECONDS / 8
    pulse.beat(1, 2, counts)
    assert len(asked) == 2


def test_a_disk_that_refuses_it_is_not_the_job_s_trouble(tmp_path: Path) -> None:
    """Nor is a dry run, which has no folder."""
    Pulse(tmp_path / "gone", Clock()).beat(1, 2, dict)
    Pulse(None, Clock()).beat(1, 2, dict)
    assert list(tmp_path.iterdir()) == []
