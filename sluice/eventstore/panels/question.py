"""One question on its way to its answer: choose the groups, add up cells, compare and foretell.

It goes in rounds: the groups are ranked by the first measure, then those that are shown are counted, all others as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from sluice.eventstore.panels.answers import Answer, Forecast, Series
from sluice.eventstore.panels.buckets import Buckets, buckets_of, period_before
from sluice.eventstore.panels.cells import Cell, Key, Pass
from sluice.eventstore.panels.forecast import forecast_of
from sluice.eventstore.panels.query import MAX_BUCKETS, PanelQuery
from sluice.eventstore.panels.ranking import ranked
from sluice.eventstore.panels.steps import Steps
from sluice.eventstore.panels.tally import WHOLE, Group, Tally, columns_of, meters_of, seconds_of
from sluice.eventstore.queries import MAX_GROUPS, EventStoreError
from sluice.eventstore.scope import MILLISECOND_MICROS

MAX_CELLS = 4 * MAX_GROUPS
"""Ten thousand groups in four currencies; one answer of a store has no more."""


class Source(Protocol):
    """What a question asks of a store."""

    async def gathered(self, passes: Sequence[Pass], steps: Steps | None) -> list[list[Cell]]:
        """The cells of each pass; EventStoreError where there are more than a pass wants."""
        ...

    async def steps(self, query: PanelQuery) -> Steps:
        """The plugins' steps of a query's range."""
        ...

    def now(self) -> int:
        """Micros."""
        ...


class Question:
    """One query on its way to its answer."""

    def __init__(self, source: Source, query: PanelQuery) -> None:
        self._source = source
        self._query = query
        self._meters = meters_of(query.kind, query.measures)
        self._ranked: tuple[Pass, list[Cell]] | None = None
        self.steps: Steps | None = None

    async def answered(self) -> Answer:
        """The whole answer."""
        query = self._query
        if query.start >= query.end:
            return await self.answer_for(query, (), 0, "")
        if query.kind == "plugin_step":
            self.steps = await self._source.steps(query)
        chosen, groups = await self._chosen() if query.split_by else ((), 0)
        answer = await self.answer_for(query, chosen, groups, query.interval)
        if query.compare:
            answer = replace(answer, previous=await self._previous(chosen, answer.interval))
        return answer

    async def _previous(self, chosen: tuple[Key, ...], interval: str) -> Answer:
        start, end = period_before(self._query.start, self._query.end, self._query.time_zone)
        query = replace(self._query, start=start, end=end, interval=interval, forecast=False)
        question = Question(self._source, query)
        if query.kind == "plugin_step":
            question.steps = await self._source.steps(query)
        return await question.answer_for(query, chosen, 0, interval)

    async def _chosen(self) -> tuple[tuple[Key, ...], int]:
        """The groups to show, and how many there are."""
        numbers = list(range(len(self._meters))) if self._tells_all() else [0]
        meters = [self._meters[number] for number in numbers]
        asked = self._pass(numbers, is_split=True)
        [cells] = await self._source.gathered([asked], self.steps)
        tally = Tally(meters)
        for cell in cells:
            tally.add(cell, asked, range(len(numbers)))
        seconds = seconds_of(self._query.end - self._query.start)
        keys = [group[0] for group, bucket in tally.parts if group is not None and bucket is None]
        if len(keys) > MAX_GROUPS:
            raise too_many(asked)
        order = ranked((key, tally.values((key, False), None, seconds)[0]) for key in keys)
        chosen = tuple(order[: self._query.limit])
        if self._tells_all():
            self._ranked = (asked, _folded(cells, asked, frozenset(chosen)))
        return chosen, len(order)

    def _tells_all(self) -> bool:
        """Whether every total follows from those of all groups, and no more than totals is asked."""
        return not self._query.interval and all(meter.is_additive for meter in self._meters)

    def _pass(self, numbers: Sequence[int], *, is_split: bool, buckets: Buckets | None = None) -> Pass:
        query = self._query
        meters = [self._meters[number] for number in numbers]
        return Pass(
            kind=query.kind,
            start=query.start,
            end=query.end,
            filters=query.filters,
            measures=tuple(meter.measure for meter in meters),
            split_by=query.split_by if is_split else (),
            by_currency=any(meter.is_money for meter in meters),
            buckets=buckets,
            most=MAX_CELLS,
        )

    def _passes(self, chosen: tuple[Key, ...], buckets: Buckets | None) -> list[tuple[Pass, list[int]]]:
        """Additive measures need one pass; the others one for every total that is shown as well."""
        finest = (bool(chosen), buckets is not None)
        additive = [number for number, meter in enumerate(self._meters) if meter.is_additive]
        others = [number for number, meter in enumerate(self._meters) if not meter.is_additive]
        wanted = [(finest, additive), (finest, others)]
        if others and not any(meter.is_money for meter in self._meters):
            wanted = [(finest, sorted(additive + others))]
        wanted += [(shape, others) for shape in sorted({(finest[0], False), (False, False)} - {finest})]
        found = []
        for (is_split, is_timed), numbers in wanted:
            asked = self._pass(numbers, is_split=is_split, buckets=buckets if is_timed else None)
            if numbers:
                found.append((replace(asked, chosen=chosen) if is_split else asked, numbers))
        return found

    def _ranked_tally(self) -> Tally | None:
        """What ranking found, where it found all that is asked."""
        if self._ranked is None:
            return None
        asked, cells = self._ranked
        tally = Tally(self._meters)
        for cell in cells:
            tally.add(cell, asked, range(len(self._meters)))
        return tally

    async def _tally(self, passes: Sequence[tuple[Pass, list[int]]]) -> Tally:
        tally = Tally(self._meters)
        found = await self._source.gathered([asked for asked, _ in passes], self.steps)
        for cells, (asked, numbers) in zip(found, passes, strict=True):
            for cell in cells:
                tally.add(cell, asked, numbers)
        return tally

    async def answer_for(self, query: PanelQuery, chosen: tuple[Key, ...], groups: int, interval: str) -> Answer:
        """The figures of these groups, and of all others as one."""
        most = min(MAX_BUCKETS, MAX_GROUPS // (min(query.limit, len(chosen)) + 1))
        buckets = buckets_of(query.start, query.end, interval, query.time_zone, most) if interval else None
        is_empty = query.start >= query.end
        passes = [] if is_empty else self._passes(chosen, buckets)
        tally = self._ranked_tally() or await self._tally(passes)
        seconds = seconds_of(query.end - query.start)
        shown: list[Group] = [(key, False) for key in chosen] if query.split_by else [WHOLE]
        if query.split_by and tally.has(((), True)):
            shown.append(((), True))
        return Answer(
            columns=columns_of(query.kind, query.measures),
            series=tuple(self._series(tally, group, buckets) for group in shown),
            total=tally.values(None, None, seconds),
            start=query.start,
            end=query.end,
            times=buckets.starts if buckets else (),
            interval=buckets.interval if buckets else "",
            time_zone=query.time_zone,
            groups=groups,
            forecast=await self._forecast(tally) if query.forecast and not is_empty else None,
            notes=self.steps.notes() if self.steps else (),
        )

    def _series(self, tally: Tally, group: Group, buckets: Buckets | None) -> Series:
        query = self._query
        points = []
        for number, (start, end) in enumerate(buckets.bounds() if buckets else ()):
            seconds = seconds_of(min(end, query.end) - max(start, query.start))
            points.append(tally.values(group, number, seconds))
        whole = seconds_of(query.end - query.start)
        key, is_other = group
        return Series(key, tally.values(group, None, whole), tuple(points), is_other)

    async def _forecast(self, total: Tally) -> Forecast:
        query = self._query
        now = self._source.now()
        days = buckets_of(query.start, min(max(now, query.start), query.end), "1d", query.time_zone)
        numbers = [number for number, meter in enumerate(self._meters) if meter.measure.kind in {"count", "sum"}]
        asked = self._pass(numbers, is_split=False, buckets=days)
        end = min(now - now % MILLISECOND_MICROS, query.end)
        daily = await self._tally([(replace(asked, end=end), numbers)] if days.starts and end > query.start else [])
        return forecast_of(daily, days, total, (query.start, query.end), now)


def _folded(cells: Sequence[Cell], asked: Pass, chosen: frozenset[Key]) -> list[Cell]:
    """The cells of chosen groups as they are, all others as "other"."""
    size = len(asked.split_by)
    return [cell if cell.key[:size] in chosen else replace(cell, key=cell.key[size:], is_other=True) for cell in cells]


def too_many(asked: Pass) -> EventStoreError:
    """More groups than an answer adds up."""
    names = " and ".join(asked.split_by) or "time and currency"
    message = f"more than {MAX_GROUPS:,} groups by {names}: add a filter, or ask for a shorter range of time"
    return EventStoreError(message)
