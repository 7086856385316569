"""How the configuration of a process stands, as its pages and metrics show it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sluice.clock import iso_micros, now_micros

State = Literal["current", "unreachable", "refused", "waiting"]
Result = Literal["applied", "waiting", "refused", "unreachable"]

_FOUND = re.compile(r" \(found .*\)$", re.DOTALL)


@dataclass(eq=False)
class ConfigurationState:
    """What runs, and what keeps the newest configuration from running."""

    source: str
    version: str
    """Of what runs."""
    note: Callable[[Result], None] = lambda _result: None
    """Told of each reload what came of it."""
    wall_clock: Callable[[], int] = now_micros
    away: Sequence[str] = ()
    """Why nothing can be read now."""
    refused: Sequence[str] = ()
    """The problems of the newest configuration, where it cannot be used."""
    waiting: Mapping[str, str] = field(default_factory=dict)
    """Services that are still what they were → why: a sink of what they are to be does not answer."""
    needs_restart: Sequence[str] = ()
    """Keys that differ from those that the process began with, and take effect with its next start."""
    applied_at: int = 0

    def __post_init__(self) -> None:
        self.applied_at = self.wall_clock()

    def applied(self, version: str, waiting: Mapping[str, str], needs_restart: Sequence[str]) -> None:
        """All of a configuration runs but for what waits."""
        self.version, self.waiting, self.needs_restart = version, dict(waiting), tuple(needs_restart)
        self.refused, self.applied_at = (), self.wall_clock()

    @property
    def name(self) -> State:
        """In a word."""
        if self.away:
            return "unreachable"
        if self.refused:
            return "refused"
        return "waiting" if self.waiting else "current"

    @property
    def is_stale(self) -> bool:
        """Whether what runs may not be what is wanted."""
        return self.name != "current"

    def document(self) -> dict[str, Any]:
        """For pages. Values that were found are left out: who may see the page need not see those."""
        return {
            "source": self.source,
            "version": self.version,
            "applied_at": iso_micros(self.applied_at),
            "state": self.name,
            "problems": [_FOUND.sub("", problem) for problem in (*self.away, *self.refused)],
            "waiting": dict(self.waiting),
            "needs_restart": list(self.needs_restart),
        }
