"""Which analytics events a question is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

MILLISECOND_MICROS = 1_000
FIRST_MICROS = -62_135_596_800_000_000  # the year 1
END_MICROS = 253_402_300_800_000_000  # the year 10,000; an event's time is between the two
_MAX_ID = (1 << 63) - 1  # ids are 64-bit integers in every store


@dataclass(frozen=True, slots=True)
class Scope:
    """Those of an app or an LLM, within ``[start, end)``."""

    app_id: int | None = None
    llm_id: int | None = None
    start: int = FIRST_MICROS
    end: int = END_MICROS

    @classmethod
    def of_app(cls, app_id: int, start: int | None, end: int | None) -> Self:
        """An app's, with the bounds rounded down to the millisecond; ``None`` is no bound."""
        return cls(app_id, start=_bound(start, FIRST_MICROS), end=_bound(end, END_MICROS))

    @property
    def is_possible(self) -> bool:
        """Whether any event can be in it."""
        ids = [found for found in (self.app_id, self.llm_id) if found is not None]
        return self.start < self.end and all(abs(found) <= _MAX_ID for found in ids)

    @property
    def is_bounded(self) -> bool:
        """Whether the time matters."""
        return (self.start, self.end) != (FIRST_MICROS, END_MICROS)


def _bound(micros: int | None, default: int) -> int:
    if micros is None:
        return default
    return min(max(micros - micros % MILLISECOND_MICROS, FIRST_MICROS), END_MICROS)
