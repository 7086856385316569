"""Time axes: whole minutes, hours, days, weeks and months of a time zone, days of 23 and 25 hours among them.

Bounds are made here, once, and given to the stores, so that both cut at the same instants. Hours and less are of
equal length; from three hours on buckets begin at wall-clock times, so that every day begins with one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sluice.clock import at_micros, micros_of
from sluice.eventstore.panels.query import AUTOMATIC, MAX_BUCKETS, QueryError
from sluice.eventstore.scope import END_MICROS

_MINUTE = 60_000_000
_HOUR = 60 * _MINUTE
DAY = 24 * _HOUR

INTERVALS: dict[str, int] = {
    "1m": _MINUTE,
    "5m": 5 * _MINUTE,
    "15m": 15 * _MINUTE,
    "30m": 30 * _MINUTE,
    "1h": _HOUR,
    "3h": 3 * _HOUR,
    "6h": 6 * _HOUR,
    "12h": 12 * _HOUR,
    "1d": DAY,
    "1w": 7 * DAY,
    "1M": 30 * DAY,
}
"""By name, about how long each is, in micros."""

AUTOMATIC_BUCKETS = 100
"""``auto`` is the finest interval of at most so many; of a range of 366 days it is ``1w``."""

_FIRST_DAY = datetime(1, 1, 3)  # noqa: DTZ001 - wall-clock; before it zones leave the calendar
_LAST_DAY = datetime(9999, 12, 1)  # noqa: DTZ001


class Run(NamedTuple):
    """Buckets of equal length, one behind the other."""

    start: int
    first: int
    """The number of the first."""
    length: int


@dataclass(frozen=True, slots=True)
class Buckets:
    """Where each begins, and where the last ends; micros."""

    starts: tuple[int, ...]
    end: int
    interval: str

    def bounds(self) -> Iterator[tuple[int, int]]:
        """From and before, for each."""
        return zip(self.starts, (*self.starts[1:], self.end), strict=True)

    def runs(self) -> list[Run]:
        """The same, folded up: a year of days is five runs in Berlin, and one in UTC."""
        found: list[Run] = []
        for number, (start, end) in enumerate(self.bounds()):
            if not found or found[-1].length != end - start:
                found.append(Run(start, number, end - start))
        return found


def is_zone(name: object) -> bool:
    """Whether it is a time zone of the IANA's."""
    try:
        _zone(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return bool(name)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def buckets_of(start: int, end: int, interval: str, time_zone: str, most: int = MAX_BUCKETS) -> Buckets:
    """The buckets that ``[start, end)`` touches; QueryError where there are more than ``most``."""
    if start >= end:
        return Buckets((), end, "1h" if interval == AUTOMATIC else interval)
    if interval == AUTOMATIC:
        interval = automatic_interval(end - start, min(most, AUTOMATIC_BUCKETS))
    if (end - start) // INTERVALS[interval] > most + 2:
        raise _too_many(interval, most)
    instants = (
        _equal(start, interval, time_zone) if INTERVALS[interval] <= _HOUR else _local(start, interval, time_zone)
    )
    starts: list[int] = []
    for instant in instants:
        if instant >= end:
            return Buckets(tuple(starts), instant, interval)
        if len(starts) == most:
            raise _too_many(interval, most)
        starts.append(instant)
    return Buckets(tuple(starts), END_MICROS, interval)


def automatic_interval(length: int, most: int = AUTOMATIC_BUCKETS) -> str:
    """The finest of which ``most`` are enough; of centuries, a month."""
    return next((name for name, micros in INTERVALS.items() if -(-length // micros) < max(most, 2)), "1M")


def _too_many(interval: str, most: int) -> QueryError:
    message = f"interval: {interval!r} makes more than {most:,} buckets; ask for a longer one, or a shorter range"
    return QueryError(message)


def _equal(start: int, interval: str, time_zone: str) -> Iterator[int]:
    """On the full hour of the zone's clocks, of which some are half an hour beside everybody else's."""
    length, zone = INTERVALS[interval], _zone(time_zone)
    offset = micros_of(_wall(start, zone)) - start
    instant = start - (start + offset) % length
    while True:
        yield instant
        instant += length


def _local(start: int, interval: str, time_zone: str) -> Iterator[int]:
    zone = _zone(time_zone)
    floor, following = _STEPS.get(interval, _hours(INTERVALS[interval] // _HOUR))
    wall = floor(_wall(start, zone))
    instant = _instant(wall, zone)
    last = instant - 1
    while wall < _LAST_DAY:
        if instant > last:  # an hour that a zone leaves out begins when the next does
            last = instant
            yield instant
        wall = following(wall)
        instant = _instant(wall, zone)


def _wall(micros: int, zone: ZoneInfo) -> datetime:
    found = at_micros(micros).replace(tzinfo=None)
    if not _FIRST_DAY < found < _LAST_DAY:
        return max(min(found, _LAST_DAY), _FIRST_DAY)
    return at_micros(micros).astimezone(zone).replace(tzinfo=None)


def _instant(wall: datetime, zone: ZoneInfo) -> int:
    return micros_of(wall.replace(tzinfo=zone))


def _midnight(wall: datetime) -> datetime:
    return wall.replace(hour=0, minute=0, second=0, microsecond=0)


def _hours(hours: int) -> tuple[Callable[[datetime], datetime], Callable[[datetime], datetime]]:
    def floor(wall: datetime) -> datetime:
        return _midnight(wall).replace(hour=wall.hour - wall.hour % hours)

    return floor, lambda wall: wall + timedelta(hours=hours)


def month_after(wall: datetime) -> datetime:
    """The first of the next month."""
    return (wall.replace(day=1) + timedelta(days=32)).replace(day=1)


_STEPS: dict[str, tuple[Callable[[datetime], datetime], Callable[[datetime], datetime]]] = {
    "1d": (_midnight, lambda wall: wall + timedelta(days=1)),
    "1w": (lambda wall: _midnight(wall) - timedelta(days=wall.weekday()), lambda wall: wall + timedelta(days=7)),
    "1M": (lambda wall: _midnight(wall).replace(day=1), month_after),
}
"""The wall-clock time at which the bucket of a moment begins, and the beginning of the next."""


def period_before(start: int, end: int, time_zone: str) -> tuple[int, int]:
    """The month before a whole month, as many days before whole days, else as long before."""
    zone = _zone(time_zone)
    first, last = _wall(start, zone), _wall(end, zone)
    is_days = all(_midnight(wall) == wall and _instant(wall, zone) == at for wall, at in ((first, start), (last, end)))
    if not is_days or first - (last - first) < _FIRST_DAY:
        return max(start - (end - start), -(2**62)), start
    if first.day == 1 and month_after(first) == last:
        return _instant((first - timedelta(days=1)).replace(day=1), zone), start
    return _instant(first - (last - first), zone), start
