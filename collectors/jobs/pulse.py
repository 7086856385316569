"""What a job says of itself while it runs: ``pulse.json`` in its folder, for whoever looks on.

Nothing of the job depends on it: it is not synced, and a disk that refuses it is nobody's trouble but the onlooker's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

PULSE = "pulse.json"
BEAT_SECONDS = 0.5


class Pulse:
    """Of one run of a job; without a folder (a dry run) there is none. ``clock`` is monotonic, in seconds."""

    def __init__(self, folder: Path | None, clock: Callable[[], float]) -> None:
        self._path = None if folder is None else folder / PULSE
        self._clock = clock
        self._began_at = clock()
        self._told_at = -BEAT_SECONDS
        self._began: tuple[int, int] | None = None
        """What was done and read when this run first told."""

    def beat(self, done: int, total: int, counts: Callable[[], Mapping[str, int]]) -> None:
        """So far it is, of so much; not more often than eyes can follow. ``counts`` is asked only then."""
        now = self._clock()
        if self._path is None or now - self._told_at < BEAT_SECONDS:
            return
        self._told_at = now
        found = dict(counts())
        self._began = self._began or (done, found.get("read", 0))
        got, read, took = done - self._began[0], found.get("read", 0) - self._began[1], now - self._began_at
        facts: dict[str, Any] = {
            "done": done,
            "total": total,
            "seconds_left": round(took * max(0, total - done) / got, 1) if got > 0 else None,
            "rate": round(read / took, 1) if took > 0 else None,
            "counts": found,
        }
        with contextlib.suppress(OSError):
            temporary = self._path.with_name(PULSE + ".tmp")
            temporary.write_bytes(orjson.dumps(facts))
            temporary.replace(self._path)
