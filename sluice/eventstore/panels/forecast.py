"""What a range will come to: what it came to so far, and for the time left the mean of its whole days.

A straight line through whole days, and no more: it knows neither weekends nor growth, and says how many days it is of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from sluice.eventstore.panels.answers import Forecast, Value
from sluice.eventstore.panels.buckets import Buckets
from sluice.eventstore.panels.tally import WHOLE, Meter, Tally, seconds_of

_NO_DAYS = "no whole day has passed yet, so there is nothing to go by"
_OVER = "the range is over: this is what it came to"


def whole_days(days: Buckets, start: int, now: int) -> list[int]:
    """The numbers of the days that lie between the two."""
    return [number for number, (begin, end) in enumerate(days.bounds()) if start <= begin and end <= now]


def forecast_of(daily: Tally, days: Buckets, total: Tally, span: tuple[int, int], now: int) -> Forecast:
    """``daily`` holds the days of ``days``; ``total`` the whole of ``span``, which is from and before."""
    start, end = span
    meters = total.meters
    if now >= end:
        return Forecast(
            _columns(meters, [total.values(None, None, Fraction(1))]), _OVER, len(whole_days(days, start, now))
        )
    numbers = whole_days(days, start, now)
    if not numbers:
        return Forecast(_columns(meters, []), _NO_DAYS, 0)
    bounds = list(days.bounds())
    length = sum(bounds[number][1] - bounds[number][0] for number in numbers)
    rest = seconds_of(end - max(now, start)) / seconds_of(length)
    past = [daily.values(WHOLE, number, Fraction(1)) for number in numbers]
    method = f"so far, and for the time left the mean of {len(numbers)} whole {'day' if len(numbers) == 1 else 'days'}"
    return Forecast(_columns(meters, [total.values(None, None, Fraction(1))], past, rest), method, len(numbers))


def _columns(
    meters: Sequence[Meter],
    so_far: Sequence[Sequence[Value]],
    past: Sequence[Sequence[Value]] = (),
    rest: Fraction = Fraction(0),
) -> tuple[Value, ...]:
    found: list[Value] = []
    for meter in meters:
        width = len(meter.measure.percents) or 1
        if meter.measure.kind not in {"count", "sum"} or not so_far:
            found += [None] * width
        else:
            column = len(found)
            found.append(_expected(so_far[0][column], [row[column] for row in past], rest))
    return tuple(found)


def _expected(so_far: Value, past: Sequence[Value], rest: Fraction) -> Value:
    if isinstance(so_far, Mapping):
        return {
            currency: _grown(so_far[currency], [_amount(day, currency) for day in past], rest) for currency in so_far
        }
    return _grown(_amount(so_far, ""), [_amount(day, "") for day in past], rest)


def _grown(so_far: int, past: Sequence[int], rest: Fraction) -> int:
    return so_far + round(sum(past) * rest)


def _amount(value: Value, currency: str) -> int:
    if isinstance(value, Mapping):
        return value.get(currency, 0)
    return int(value or 0)
