"""Times that figures are asked for."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from gateway.control.api.fields import Moment
from gateway.control.api.paging import Query
from gateway.control.api.problems import invalid
from sluice.clock import now_micros

DAY_MICROS = 86_400 * 1_000_000
WEEK_MICROS = 7 * DAY_MICROS
MONTH_MICROS = 30 * DAY_MICROS
_MAX_RANGE_MICROS = 10 * 366 * DAY_MICROS


def _plus(value: object) -> object:
    """A ``+`` that nobody encoded comes as a space; only a zone can have meant it."""
    if isinstance(value, str) and len(value) > 6 and value[-6] == " ":
        return f"{value[:-6]}+{value[-5:]}"
    return value


At = Annotated[Moment, BeforeValidator(_plus)]


class TimeQuery(Query):
    """From ``start_time`` to before ``end_time``."""

    start_time: At | None = None
    end_time: At | None = None


def range_of(query: TimeQuery, default_micros: int) -> tuple[int, int]:
    """The range in micros: by default up to now, and so long. Raises a ``Problem``."""
    end = now_micros() if query.end_time is None else query.end_time
    start = max(end - default_micros, 0) if query.start_time is None else query.start_time
    if start >= end:
        raise invalid("start_time", "is not before end_time")
    if end - start > _MAX_RANGE_MICROS:
        raise invalid("start_time", "is more than ten years before end_time; ask for less")
    return start, end
