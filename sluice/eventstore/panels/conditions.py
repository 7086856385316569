"""Which values of a filter a store can hold at all: the rest match nothing, everywhere alike.

NUL, half characters, texts too long for an index and integers beyond 64 bits choke one store or the other; asked for,
they are found in none.
"""

from __future__ import annotations

from dataclasses import dataclass

from sluice.eventstore.panels.fields import FieldInfo, field_of
from sluice.eventstore.panels.query import Filter, Scalar, Subject

_MAX_INTEGER = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter with values that can be stored."""

    info: FieldInfo
    operator: str
    """``in``, ``not``, ``range`` or ``contains``: ``is`` is an ``in``."""
    values: tuple[Scalar, ...]
    """Without ``None``; of a range, both bounds."""
    with_missing: bool = False
    """Whether ``None`` was among the values: events without the field."""


def condition_of(subject: Subject, found: Filter) -> Condition:
    """The condition that a filter sets; call ``check_filters`` before."""
    info = field_of(subject, found.field, "field")
    if found.operator == "range":
        return Condition(info, "range", found.values)
    values = tuple(value for value in found.values if value is not None and is_storable(value, info))
    operator = "in" if found.operator == "is" else found.operator
    return Condition(info, operator, values, None in found.values)


def is_storable(value: Scalar, info: FieldInfo) -> bool:
    """Whether an indexed field can have this value."""
    if isinstance(value, str):
        encoded = value.encode("utf-16-le", errors="surrogatepass")
        is_whole = value.encode(errors="ignore").decode() == value
        return is_whole and "\0" not in value and len(encoded) // 2 <= info.max_characters
    return not isinstance(value, int) or -_MAX_INTEGER - 1 <= value <= _MAX_INTEGER


def bounds_of(condition: Condition) -> tuple[int | None, int | None] | None:
    """The bounds of a range within 64 bits, ``None`` for one that holds nothing back; ``None`` for an empty range."""
    low, high = (value if isinstance(value, int) else None for value in condition.values)
    if (low is not None and low > _MAX_INTEGER) or (high is not None and high <= -_MAX_INTEGER - 1):
        return None
    if low is not None and low < -_MAX_INTEGER - 1:
        low = None
    if high is not None and high > _MAX_INTEGER:
        high = None
    return (low, high) if low is None or high is None or low < high else None
