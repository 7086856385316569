"""What each service consists of: its entries in their order, and its fallback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors.entries import (
    FALLBACK,
    AnyEntry,
    CollectorEntry,
    DatabaseEntry,
    FallbackEntry,
    FlowSettings,
    PluginEntry,
)
from collectors.sinks.settings import DatabaseSettings
from schemas.events import KINDS, Kind

EVENTS_DATABASE = "events.db"
"""In the data folder."""

_DEFAULT = DatabaseEntry(name=FALLBACK, path="sink://database")


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """One consumer group: what its events are given to."""

    name: str
    entries: tuple[AnyEntry, ...]
    """By ``priority``, and where that is the same as they stand in the file."""
    fallback: FallbackEntry | None = None
    """``None`` where there is none, or where no event can come to need it."""

    @property
    def first(self) -> AnyEntry:
        """Whose ``retry`` and ``dead_letter`` hold for what belongs to no entry: the log, what cannot be decoded."""
        return self.entries[0]

    def fallback_in(self, data_dir: Path) -> FallbackEntry | None:
        """The fallback; a database without a ``url`` is the one in the data folder, which the gateway reads too."""
        fallback = self.fallback
        if not isinstance(fallback, DatabaseEntry) or "url" in fallback.config.model_fields_set:
            return fallback
        config = DatabaseSettings(url=f"sqlite:///{data_dir / EVENTS_DATABASE}")
        return fallback.model_copy(update={"config": config})

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Of events, that any entry wants."""
        return tuple(kind for kind in KINDS if any(kind in entry.hook_types for entry in self.entries))

    @property
    def flow(self) -> FlowSettings:
        """The smallest of each bound."""
        flows = [entry.flow for entry in self.entries]
        return FlowSettings(**{name: min(getattr(flow, name) for flow in flows) for name in FlowSettings.model_fields})


def plans_of(entries: Sequence[AnyEntry]) -> tuple[ServicePlan, ...]:
    """The services of these entries, in the order in which their first ones stand. ValueError says what contradicts."""
    services: dict[str, list[AnyEntry]] = {}
    for entry in entries:
        services.setdefault(entry.service_name, []).append(entry)
    return tuple(plan_of(found) for found in services.values())


def plan_of(entries: Sequence[AnyEntry]) -> ServicePlan:
    """The service of entries that share one. ValueError where they say different things of its fallback."""
    fallback, name = _fallback_of(entries), entries[0].service_name
    if not any(may_need_fallback(entry) for entry in entries) or (fallback and not fallback.enabled):
        fallback = None
    return ServicePlan(name, tuple(sorted(entries, key=lambda entry: entry.priority)), fallback)


def may_need_fallback(entry: CollectorEntry) -> bool:
    """Whether an event can come to the fallback because of this entry: sinks of ours take whatever can be written."""
    return isinstance(entry, PluginEntry) or not entry.replace_database


def _fallback_of(entries: Sequence[AnyEntry]) -> FallbackEntry | None:
    given = [entry for entry in entries if entry.gives_fallback]
    if not given:
        return _DEFAULT
    for other in given[1:]:
        if other.fallback != given[0].fallback:
            message = (
                f"service {other.service_name!r}: fallback: is said differently by {given[0].name!r} and "
                f"{other.name!r}; a service has one: give it in one of them"
            )
            raise ValueError(message)
    return given[0].fallback
