"""The names of indices: daily ones that are written, the alias that is read, and those that rebuilds make."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from schemas.events import Kind
from sluice.clock import at_micros

Period = Literal["day", "month", "year"]
"""How much time the events of one index span."""

PERIOD_FORMS: dict[Period, str] = {"day": "%Y.%m.%d", "month": "%Y.%m", "year": "%Y"}
"""What stands behind the stem and a dash, as ``strftime`` writes it."""

INDEX_NAMES: dict[Kind, str] = {
    "proxy_log": "microgateway-proxy-logs",
    "analytics": "microgateway-analytics",
    "budget": "microgateway-budget",
}
"""What dashboards query: the alias over all days of an event, and the stem of each day's index."""


def daily_index(stem: str, occurred_at: int) -> str:
    """``<stem>-YYYY.MM.DD`` of the event's own UTC day, so that a replay a month later finds the same index."""
    return dated_index(stem, occurred_at, "day")


def dated_index(stem: str, occurred_at: int, period: Period) -> str:
    """The index of an event's own UTC day, month or year."""
    return f"{stem}-{at_micros(occurred_at).strftime(PERIOD_FORMS[period])}"


def daily_pattern(stem: str) -> str:
    """What matches every day's index of ``stem``."""
    return f"{stem}-*"


REBUILT_TYPES: dict[Kind, str] = {"proxy_log": "proxy-logs", "analytics": "analytics", "budget": "budget"}
"""What an event is called in the name of a rebuilt index."""

Making = Literal["rebuild", "replaced"]
"""Made from the log by a job, or what was there before and was kept."""

_MADE_BY_JOB = re.compile(
    rf"sluice-(?P<making>rebuild|replaced)-(?P<job>[a-z0-9][a-z0-9._-]*)-(?P<type>{'|'.join(REBUILT_TYPES.values())})"
    r"-(?P<date>\d{4}(\.\d{2}(\.\d{2})?)?)",
    re.ASCII,
)


class JobIndex(NamedTuple):
    """An index that a job made: outside the pattern of every event's dated indices."""

    making: Making
    job: str
    kind: Kind
    date: str
    """As dated indices end: ``2026.11.26``, ``2026.11`` or ``2026``."""

    @property
    def name(self) -> str:
        """``sluice-rebuild-<job>-<type>-<date>``."""
        return f"{job_stem(self.job, self.kind, self.making)}-{self.date}"


def job_stem(job: str, kind: Kind, making: Making = "rebuild") -> str:
    """What the names of a job's indices of one event begin with, without the dash."""
    return f"sluice-{making}-{job}-{REBUILT_TYPES[kind]}"


def job_index_of(name: str) -> JobIndex | None:
    """What an index is by its name; ``None`` where no job of ours gives such names."""
    match = _MADE_BY_JOB.fullmatch(name)
    if match is None:
        return None
    kind = next(kind for kind, word in REBUILT_TYPES.items() if word == match["type"])
    return JobIndex("rebuild" if match["making"] == "rebuild" else "replaced", match["job"], kind, match["date"])
