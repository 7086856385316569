"""The sinks that can be asked what they hold, and which events each of them should have.

An entry should have what it selects. A fallback should have what the decision table of ``collectors/README.md`` says
for certain: what entries with ``replace_database: false`` were given; what is left to the answers of plugins it may
have, and nobody misses it there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import polars as pl

from collectors.deliveries import Frame
from collectors.entries import FALLBACK, AnyEntry, DatabaseEntry, ElasticsearchEntry, FallbackEntry, PluginEntry
from collectors.plans import ServicePlan
from collectors.selection import Selection
from collectors.services.reconcile.indices import IndexStore
from collectors.services.reconcile.results import Incomparable
from collectors.services.reconcile.rows import RowStore
from collectors.services.reconcile.stores import Store
from collectors.settings import HostSettings, Settings
from collectors.sinks.elasticsearch.access import open_http
from schemas.events import KINDS, Kind

_CONNECTIONS = 2
_REASONS = {
    "sink://file": "files are not asked for single events: sluice archive verify checks what is archived",
    "sink://s3": "objects are not asked for single events: sluice archive verify checks what is archived",
    "sink://webhook": "nobody but its receiver knows what it kept",
    "sink://kafka": "it is at least once, into a log of its own: compare event ids there",
    "sink://otlp": "nobody but its receiver knows what it kept",
    "sink://stdout": "what was written there is nowhere kept",
    "sink://clickhouse": "it is at least once until its parts are merged: count distinct event ids there",
}
_PLUGIN_REASON = "only the plugin knows what it kept"

Wanted = Callable[[Frame], pl.Series]
"""Of each row of a frame whether the target should have it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One sink that is compared."""

    name: str
    group: str
    """The consumer group that carries events to it."""
    kinds: tuple[Kind, ...]
    wanted: Wanted
    letters_of: frozenset[str]
    """Names of collectors whose dead letters say that an event is not to be looked for here."""
    entry: DatabaseEntry | ElasticsearchEntry

    def place(self, kind: Kind) -> Hashable:
        """The same for targets whose documents of a kind lie in one place."""
        if isinstance(self.entry, DatabaseEntry):
            return ("database", self.entry.config.url)
        return ("elasticsearch", self.entry.config.urls(), self.entry.config.indices.names()[kind])

    def open(self) -> Store:
        """Where its documents are. Raises Halt."""
        if isinstance(self.entry, DatabaseEntry):
            return RowStore(self.entry.config)
        return IndexStore(self.entry.config, open_http(self.entry.config, connections=_CONNECTIONS))


def targets_of(settings: Settings, host: HostSettings) -> tuple[list[Target], list[Incomparable]]:
    """All of the enabled entries, and the fallbacks of their services."""
    targets: list[Target] = []
    others: list[Incomparable] = []
    plans = settings.services()
    fallbacks = [plan for plan in plans if plan.fallback is not None]
    for plan in plans:
        group = f"{host.kafka.namespace}.{plan.name}"
        for entry in plan.entries:
            if isinstance(entry, DatabaseEntry | ElasticsearchEntry):
                targets.append(_of_entry(plan, entry, group))
            else:
                others.append(Incomparable(entry.name, _REASONS.get(entry.path, _PLUGIN_REASON)))
        fallback = plan.fallback_in(host.data_dir)
        if fallback is not None:
            name = FALLBACK if len(fallbacks) == 1 else f"{FALLBACK}@{plan.name}"
            _add_fallback(plan, fallback, name, group, targets, others)
    return targets, others


def _of_entry(plan: ServicePlan, entry: DatabaseEntry | ElasticsearchEntry, group: str) -> Target:
    selection = _selection(entry)
    return Target(
        entry.name,
        group,
        tuple(kind for kind in KINDS if kind in entry.hook_types),
        lambda frame: _mask(selection, frame),
        frozenset({entry.name, plan.name}),
        entry,
    )


def _add_fallback(
    plan: ServicePlan,
    fallback: FallbackEntry,
    name: str,
    group: str,
    targets: list[Target],
    others: list[Incomparable],
) -> None:
    if not isinstance(fallback, DatabaseEntry | ElasticsearchEntry):
        others.append(Incomparable(name, _REASONS.get(fallback.path, _PLUGIN_REASON)))
        return
    names = {FALLBACK, plan.name}
    if any(entry.replace_database for entry in plan.entries):
        names |= {entry.name for entry in plan.entries}  # row 10: a dead letter beside one that handled it
    targets.append(Target(name, group, plan.kinds, _wanted_of_fallback(plan.entries), frozenset(names), fallback))


def _wanted_of_fallback(entries: Sequence[AnyEntry]) -> Wanted:
    """What an entry with ``replace_database: false`` handled (rows 2, 5, 6), passed with all others (3), or buried
    alone (8). A plugin beside one with ``true`` may have passed it (4): that is not certain."""
    selections = [(entry, _selection(entry)) for entry in entries]

    def wanted(frame: Frame) -> pl.Series:
        nothing = _filled(frame, value=False)
        replaced, by_sinks, by_plugins = nothing, nothing, nothing
        for entry, selection in selections:
            mask = _mask(selection, frame)
            if entry.replace_database:
                replaced = replaced | mask
            elif isinstance(entry, PluginEntry):
                by_plugins = by_plugins | mask
            else:
                by_sinks = by_sinks | mask
        return by_sinks | (by_plugins & ~replaced)

    return wanted


def _selection(entry: AnyEntry) -> Selection:
    return Selection(entry.hook_types, entry.include, entry.exclude, entry.sample)


def _mask(selection: Selection, frame: Frame) -> pl.Series:
    positions = selection.positions(frame)
    if len(positions) in {0, frame.rows.height}:
        return _filled(frame, value=bool(positions))
    return pl.int_range(frame.rows.height, eager=True).is_in(list(positions))


def _filled(frame: Frame, *, value: bool) -> pl.Series:
    return pl.repeat(value, frame.rows.height, dtype=pl.Boolean, eager=True)
