"""The wall clock, in one place, so that tests can turn it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_micros() -> int:
    """Microseconds since the Unix epoch."""
    return time.time_ns() // 1_000


def utc_now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.fromtimestamp(now_micros() / 1_000_000, UTC)


def at_micros(micros: int) -> datetime:
    """The aware UTC datetime of ``micros`` since the epoch, exact to the microsecond."""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def iso_micros(micros: int) -> str:
    """RFC 3339 with microseconds and ``Z``."""
    return at_micros(micros).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
