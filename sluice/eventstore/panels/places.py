"""Where a page of a search ends: a cursor that readers give back as they got it."""

from __future__ import annotations

from sluice.eventstore.panels.query import QueryError
from sluice.eventstore.scope import END_MICROS, FIRST_MICROS

Place = tuple[int, str]
"""An event's time in micros, and its id."""

_MAX_CURSOR = 240


def cursor_of(place: Place) -> str:
    """As text."""
    return f"{place[0]}.{place[1]}"


def place_of(cursor: str) -> Place:
    """The place that a cursor names; QueryError where it is none of ours."""
    micros, dot, event_id = str(cursor).partition(".")
    is_number = micros.removeprefix("-").isdecimal() and micros.isascii() and len(micros) < 20
    if not is_number or not dot or not event_id.isprintable() or len(cursor) > _MAX_CURSOR:
        message = f"cursor: {str(cursor)[:60]!r} is not one that a page gave; begin without"
        raise QueryError(message)
    return max(FIRST_MICROS, min(int(micros), END_MICROS)), event_id
