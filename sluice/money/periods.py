"""Budget periods: months that begin on a day of the month, at midnight in a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from sluice.clock import micros_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Period(msgspec.Struct, frozen=True):
    """From ``start`` to before ``end``, in micros of the epoch."""

    start: int
    end: int
    id: str
    """The local date of its start, ``2026-11-01``."""


def is_time_zone(name: str) -> str:
    """The name, where it is one of the IANA's; ValueError with the remedy where it is not."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"{name!r} is no time zone; write one of the IANA's, e.g. UTC or Europe/Berlin"
        raise ValueError(message) from None
    return name


def period_at(at_micros: int, reset_day: int, time_zone: str) -> Period:
    """The period that holds at a moment; ``reset_day`` is 1 to 28."""
    found = _remembered.get((reset_day, time_zone))
    if found is None or not found.start <= at_micros < found.end:
        found = _period(at_micros, reset_day, time_zone)
        if len(_remembered) >= _MAX_REMEMBERED:
            _remembered.clear()
        _remembered[reset_day, time_zone] = found
    return found


_remembered: dict[tuple[int, str], Period] = {}
_MAX_REMEMBERED = 4096


def _period(at_micros: int, reset_day: int, time_zone: str) -> Period:
    zone = _zone(time_zone)
    local = (_EPOCH + timedelta(microseconds=at_micros)).astimezone(zone)
    year, month = (local.year, local.month) if local.day >= reset_day else _month_before(local.year, local.month)
    start = datetime(year, month, reset_day, tzinfo=zone)
    after = datetime(*_month_after(year, month), reset_day, tzinfo=zone)
    return Period(micros_of(start), micros_of(after), start.date().isoformat())


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _month_before(year: int, month: int) -> tuple[int, int]:
    return (year, month - 1) if month > 1 else (year - 1, 12)


def _month_after(year: int, month: int) -> tuple[int, int]:
    return (year, month + 1) if month < 12 else (year + 1, 1)
