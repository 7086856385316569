"""What an import will make, in the words of the API, and what it has to leave behind.

Entities know one another by slug (LLMs, plugins) and name (apps), because their ids will be others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.entity_settings import MAX_FAILOVER

Values = dict[str, Any]
"""Fields of the API's bodies; amounts are decimal text."""


@dataclass(frozen=True, slots=True)
class Left:
    """Something that is not carried over, and why."""

    what: str
    reason: str


@dataclass(slots=True, kw_only=True)
class PlannedPlugin:
    """A plugin."""

    slug: str
    values: Values
    source_id: int | None = None


@dataclass(slots=True, kw_only=True)
class PlannedLlm:
    """An LLM, with the slugs of those it fails over to and of its plugins, both in order."""

    slug: str
    values: Values
    failover: list[str] = field(default_factory=list)
    plugins: list[str] = field(default_factory=list)
    source_id: int | None = None


@dataclass(slots=True, kw_only=True)
class PlannedApp:
    """An app, with what it may spend on each LLM it may use: slug → amount, ``"0"`` is no limit."""

    name: str
    values: Values
    llms: dict[str, str] = field(default_factory=dict)
    source_id: int | None = None


@dataclass(slots=True, kw_only=True)
class PlannedToken:
    """A token whose text is known, as what is kept of it."""

    app: str
    name: str
    sha256: str = field(repr=False)
    prefix: str = ""
    scopes: tuple[str, ...] = ("api",)
    expires_at: int | None = None
    """Micros of the epoch."""


@dataclass(slots=True, kw_only=True)
class PlannedPrice:
    """A price of one token of a model."""

    vendor: str
    model_name: str
    values: Values


@dataclass(slots=True)
class Plan:
    """Everything, in the order in which it can be made: what is named comes first."""

    plugins: list[PlannedPlugin] = field(default_factory=list)
    llms: list[PlannedLlm] = field(default_factory=list)
    apps: list[PlannedApp] = field(default_factory=list)
    tokens: list[PlannedToken] = field(default_factory=list)
    prices: list[PlannedPrice] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is carried over and means something else here."""

    def leave(self, what: str, reason: str) -> None:
        """Note that something is not carried over; the same once."""
        left = Left(what, reason)
        if left not in self.left:
            self.left.append(left)

    def shorten_failover(self) -> None:
        """Leave what is more than one LLM may fail over to."""
        for llm in self.llms:
            beyond = llm.failover[MAX_FAILOVER:]
            if beyond:
                del llm.failover[MAX_FAILOVER:]
                self.leave(f"failover of {llm.slug} to {', '.join(beyond)}", f"{MAX_FAILOVER} LLMs are the most")

    def note(self, text: str) -> None:
        """Note what is to be known; the same once."""
        if text not in self.notes:
            self.notes.append(text)


def free_name(wanted: str, taken: Iterable[str], max_length: int = 255) -> str:
    """A name that nobody has yet: the one wanted, or it with a number behind."""
    names = set(taken)
    found, number = wanted, 1
    while found in names:
        number += 1
        ending = f"-{number}"
        found = f"{wanted[: max_length - len(ending)]}{ending}"
    return found
