"""The SQL over analytics events, for SQLite and PostgreSQL alike; values are always parameters.

Sums are exact beyond 64 bits: the halves of each number are added up apart, because SQLite's ``SUM`` fails where an
integer overflows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, func, literal_column, select

from sluice.eventstore.figures import DAY_MICROS, Group, GroupBy, Grouping
from sluice.eventstore.queries import MAX_GROUPS
from sluice.eventstore.scope import Scope
from sluice.eventstore.tables import TABLES

_ANALYTICS = TABLES["analytics"]
HALF_BITS = 32
"""Of the lower half of a number that is added up in two."""
# Written out: PostgreSQL shifts by 32-bit integers alone, and does not see that two parameters are the same day.
_SHIFT = literal_column(str(HALF_BITS), Integer)
_LOW_HALF = literal_column(str((1 << HALF_BITS) - 1), BigInteger)
_DAY = literal_column(str(DAY_MICROS), BigInteger)


def count_statement(scope: Scope) -> Select[Any]:
    """How many events there are."""
    return select(func.count()).select_from(_ANALYTICS).where(*_within(scope))


def page_statement(scope: Scope, offset: int, limit: int) -> Select[Any]:
    """Whole rows, newest first; those that are skipped are skipped in the index."""
    order = (_ANALYTICS.c.occurred_at.desc(), _ANALYTICS.c.event_id.desc())
    ids = select(_ANALYTICS.c.event_id).where(*_within(scope)).order_by(*order).limit(limit).offset(offset)
    return select(_ANALYTICS).where(_ANALYTICS.c.event_id.in_(ids)).order_by(*order)


def group_statement(scope: Scope, grouping: Grouping) -> Select[Any]:
    """A row for each key: the key, how many events, how many with a cost, and the halves of each sum."""
    keys = [_key(name) for name in grouping.by]
    halves = [func.sum(half) for name in grouping.summed for half in halves_of(_ANALYTICS.c[name])]
    found = select(*keys, func.count(), func.count(_ANALYTICS.c.cost_nanos), *halves).where(*_within(scope))
    return found.group_by(*keys).order_by(*keys).limit(MAX_GROUPS + 1)


def group_of(row: Sequence[Any], grouping: Grouping) -> Group:
    """The group that a row of ``group_statement`` is."""
    size = len(grouping.by)
    key, (requests, priced, *halves) = row[:size], row[size:]
    sums = {
        name: (int(high or 0) << HALF_BITS) + int(low or 0)
        for name, high, low in zip(grouping.summed, halves[::2], halves[1::2], strict=True)
    }
    return Group(tuple(key), requests, priced, sums)


def _within(scope: Scope) -> list[ColumnElement[bool]]:
    found = [] if scope.app_id is None else [_ANALYTICS.c.app_id == scope.app_id]
    if scope.llm_id is not None:
        found.append(_ANALYTICS.c.llm_id == scope.llm_id)
    if scope.is_bounded:
        found += [_ANALYTICS.c.occurred_at >= scope.start, _ANALYTICS.c.occurred_at < scope.end]
    return found


def _key(name: GroupBy) -> ColumnElement[Any]:
    if name != "day":
        return _ANALYTICS.c[name]
    moment = _ANALYTICS.c.occurred_at
    since_midnight = ((moment % _DAY) + _DAY) % _DAY  # before 1970 too
    return ((moment - since_midnight) // _DAY).label("day")


def halves_of(column: ColumnElement[int]) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """The higher and the lower half; the shift keeps the sign, so the lower is never negative."""
    return column.bitwise_rshift(_SHIFT), column.bitwise_and(_LOW_HALF)
