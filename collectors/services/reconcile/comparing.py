"""Two sets of numbers side by side: what is equal, what must be looked at, and which documents nobody published."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from collectors.services.reconcile.boots import Boots
from collectors.services.reconcile.holding import Held
from collectors.services.reconcile.looking import Doubt
from collectors.services.reconcile.results import Comparison, Item
from collectors.services.reconcile.scan import Demand, Scan
from collectors.services.reconcile.sequences import by_boot, count, difference, intersection, union
from collectors.services.reconcile.stores import Document, Store
from sluice.eventlog.interface import Boot
from sluice.intervals import Intervals

MAX_DOCUMENTS = 10_000
"""Surplus documents that are looked at one by one; of more there is only the count."""


@dataclass(slots=True)
class Side:
    """One target and kind, and what its store holds."""

    comparison: Comparison
    demand: Demand
    store: Store
    held: Held


def compare(side: Side, scan: Scan) -> Doubt:
    """Fill the figures that numbers alone give; what must be looked at."""
    comparison, demand, kind = side.comparison, side.demand, side.demand.kind
    expected, held = demand.numbers.ranges, side.held.numbers.ranges
    within = scan.within[kind].ranges
    comparison.in_log, comparison.expected = count(within), count(expected)
    comparison.in_sink, comparison.unnumbered = side.held.documents, side.held.unnumbered
    excused = {reason: numbers.ranges for reason, numbers in demand.excused.items()}
    filtered = count(difference(within, union(expected, *excused.values())))
    for reason, number in (("filtered", filtered), *((name, count(each)) for name, each in excused.items())):
        if number:
            comparison.explained[reason] = number
    shared = union(scan.all[kind].repeated, side.held.numbers.repeated)
    return Doubt(
        comparison, demand, side.store, difference(expected, union(held, shared)), _of_interest(shared, expected, held)
    )


def _of_interest(shared: pl.DataFrame, expected: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    return intersection(shared, union(expected, held))


class Surplus:
    """Finds the documents that are of no event of the log."""

    def __init__(self, boots: Boots, limit: int) -> None:
        self._boots = boots
        self._limit = limit

    async def find(self, side: Side, doubt: Doubt, scan: Scan) -> None:
        """Raises Retryable, Halt."""
        kind, held = side.demand.kind, side.held.numbers
        strange = difference(held.ranges, scan.all[kind].ranges)
        looked_at = await self._documents(side, strange)
        strangers = [each for each in looked_at if each[1].event_id not in doubt.displaced]
        side.comparison.surplus += max(0, count(strange) - len(looked_at)) + len(strangers)
        shared = intersection(held.repeated, scan.all[kind].ranges)
        twins = [each for each in await self._documents(side, shared) if each[1].event_id not in doubt.ids]
        side.comparison.surplus += len(twins)
        for boot, document in (strangers + twins)[: self._limit]:
            side.comparison.items.append(_item(side, boot, document))

    async def _documents(self, side: Side, table: pl.DataFrame) -> list[tuple[Boot, Document]]:
        found: list[tuple[Boot, Document]] = []
        for number, numbers in by_boot(table):
            boot = self._boots[number]
            for first, last in numbers.ranges:
                room = MAX_DOCUMENTS - len(found)
                if room <= 0:
                    return found
                span = side.demand.span
                documents = await side.store.documents(side.demand.kind, span, boot, (first, last), room)
                found += [(boot, document) for document in documents]
        return found


def _item(side: Side, boot: Boot, document: Document) -> Item:
    return Item(
        "surplus",
        side.comparison.sink,
        side.demand.kind,
        boot,
        Intervals.of([document.sequence]),
        document.event_id,
        document.outcome,
        document.occurred_at,
        "in the log there is no such event",
    )
