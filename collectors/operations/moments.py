"""Moments as people give them: ``-10m``, ``2026-11-26``, ``2026-11-26T08:30:00Z``, ``beginning``, ``now``."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from collectors.operations.running import UsageError
from sluice.clock import now_micros

_AGO = re.compile(r"-(?P<number>\d{1,9}(\.\d{1,6})?)(?P<unit>s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_REMEDY = "write -10m (s, m, h, d, w), a time such as 2026-11-26T08:30:00Z, beginning, or now"


def moment_ms(text: str, option: str, clock: Callable[[], int] = now_micros) -> int:
    """Milliseconds since the epoch; a time without a zone is UTC. Raises UsageError naming the option."""
    wanted = text.strip()
    if wanted == "beginning":
        return 0
    if wanted == "now":
        return clock() // 1_000
    if found := _AGO.fullmatch(wanted):
        return max(0, clock() // 1_000 - int(float(found["number"]) * _SECONDS[found["unit"]] * 1_000))
    try:
        at = datetime.fromisoformat(wanted)
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0, int(aware.timestamp() * 1_000))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option}: {text!r} is no moment; {_REMEDY}") from error


def ago(seconds: float | None) -> str:
    """An age, or a time that is left, for eyes: its two largest units."""
    if seconds is None:
        return "-"
    sign, left = ("-" if seconds < 0 else ""), int(abs(seconds))
    parts: list[str] = []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, _SECONDS[unit])
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return sign + "".join(parts[:2])
