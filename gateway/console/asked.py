"""What a page asks for, as its address says it: a range of time, a time zone, conditions."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.control.api.problems import Problem, invalid
from sluice.clock import now_micros
from sluice.eventstore.panels.query import Filter

_DAY_MICROS = 86_400 * 1_000_000
MAX_RANGE_MICROS = 10 * 366 * _DAY_MICROS
_MAX_WHERE_CHARACTERS = 16_384
_LATEST = 253_402_300_799_000_000  # 9999-12-31, in micros
_Micros = Annotated[int, Field(ge=0, le=_LATEST)]


class Asked(BaseModel):
    """Without a range: the last day. ``where`` is JSON: ``[["vendor", "is", ["openai"]], …]``."""

    model_config = ConfigDict(extra="forbid")

    start: _Micros | None = None
    end: _Micros | None = None
    zone: Annotated[str, Field(max_length=64)] = "UTC"
    where: Annotated[str, Field(max_length=_MAX_WHERE_CHARACTERS)] = ""

    def range(self) -> tuple[int, int]:
        """From, and to before. Raises a ``Problem`` where that is no range."""
        end = now_micros() if self.end is None else self.end
        start = max(end - _DAY_MICROS, 0) if self.start is None else self.start
        if start >= end:
            raise invalid("start", "is not before end; choose a range of time that has begun before it ends")
        if end - start > MAX_RANGE_MICROS:
            raise invalid("start", "is more than ten years before end; choose less")
        return start, end

    def filters(self) -> tuple[Filter, ...]:
        """The conditions. Raises a ``Problem`` where they cannot be read."""
        return filters_of(self.where)


AskedQuery = Annotated[Asked, Query()]


def filters_of(where: str) -> tuple[Filter, ...]:
    """The conditions of a text; what they say is checked by whoever answers them."""
    if not where:
        return ()
    try:
        found = orjson.loads(where)
        return tuple(_filter(each) for each in found)
    except (orjson.JSONDecodeError, TypeError, ValueError):
        raise invalid("where", 'is no list of conditions such as [["vendor", "is", ["openai"]]]') from None


def _filter(condition: Any) -> Filter:
    field, operator, values = condition
    if not (isinstance(field, str) and isinstance(operator, str) and isinstance(values, list)):
        raise TypeError(field)
    return Filter(field, operator, tuple(values))  # type: ignore[arg-type]


def of_query(error: ValueError) -> Problem:
    """A question that the store's interface refuses, as an answer."""
    return Problem(400, "invalid_query", str(error), error="This cannot be asked")
