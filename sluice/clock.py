"""The wall clock, in one place, so that tests can turn it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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


def micros_of(at: datetime) -> int:
    """Microseconds since the epoch, exactly: a float would lose some of them. Without a zone it is UTC."""
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def iso_micros(micros: int) -> str:
    """RFC 3339 with microseconds and ``Z``."""
    return at_micros(micros).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
