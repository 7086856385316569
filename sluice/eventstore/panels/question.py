"""One question on its way to its answer: choose the groups, add up cells, compare and foretell.

A pass over all groups and buckets ranks the groups and tells every figure that follows from theirs, where they are not
too many; another round asks for the rest. Of too many the groups are ranked by the first measure alone, then those that
are shown are counted, all others as one. What is added up here is added up in threads, step by step: the process that
asks has exchanges to carry.
"""

from __future__ import annotations

import asyncio
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
from sluice.eventstore.panels.told import Told, told_numbers
from sluice.eventstore.queries import MAX_GROUPS, EventStoreError
from sluice.eventstore.scope import MILLISECOND_MICROS

MAX_CELLS = 4 * MAX_GROUPS
"""Ten thousand groups in four currencies; one answer of a store has no more."""
MAX_FINE_CELLS = 4_000
"""Groups times buckets times currencies of one pass that tells everything: of more, only those that are shown are
wanted, because each costs some ten microseconds here."""


class Source(Protocol):
    """What a question asks of a store."""

    gives_numbers: bool
    """Whether it gives the numbers that percentiles are of, so that every figure follows from those of the cells."""

    async def gathered_whole(self, asked: Pass) -> list[Cell] | None:
        """The cells of a pass; ``None`` where there are more than it wants."""
        ...

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
        gives_numbers = source.gives_numbers and query.kind != "plugin_step"
        self._meters = meters_of(query.kind, query.measures, gives_numbers=gives_numbers)
        self._told: Told | None = None
        self._has_other = True
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
        self._told = await self._told_at_once()
        told = self._told or await self._ranking()
        order = await asyncio.to_thread(self._ranked, told)
        chosen = tuple(order[: self._query.limit])
        self._has_other = len(order) > len(chosen)
        return chosen, len(order)

    def _ranked(self, told: Told) -> list[Key]:
        tally = told.ranking(self._meters)
        seconds = seconds_of(self._query.end - self._query.start)
        keys = [group[0] for group, bucket in tally.parts if group is not None and bucket is None]
        if len(keys) > MAX_GROUPS:
            raise too_many(told.asked)
        return ranked((key, tally.values((key, False), None, seconds)[0]) for key in keys)

    async def _told_at_once(self) -> Told | None:
        """All groups in all buckets, where figures follow from theirs and they are not too many."""
        numbers = told_numbers(self._meters, is_timed=bool(self._query.interval))
        if self._query.kind == "plugin_step" or (self._query.interval and not self._meters[0].is_additive):
            return None
        buckets = self._buckets(self._query, (), self._query.interval)
        asked = self._pass(numbers, is_split=True, buckets=buckets)
        asked = replace(asked, most=MAX_FINE_CELLS if buckets else MAX_CELLS)
        cells = await self._source.gathered_whole(asked)
        return None if cells is None else Told(asked, numbers, cells)

    async def _ranking(self) -> Told:
        """All groups by the first measure."""
        asked = self._pass([0], is_split=True)
        [cells] = await self._source.gathered([asked], self.steps)
        return Told(asked, [0], cells)

    def _buckets(self, query: PanelQuery, chosen: tuple[Key, ...], interval: str) -> Buckets | None:
        """Fewer where many groups are shown; ``None`` where no time axis is asked."""
        most = min(MAX_BUCKETS, MAX_GROUPS // (min(query.limit, len(chosen)) + 1))
        return buckets_of(query.start, query.end, interval, query.time_zone, most) if interval else None

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
                chosen_here = replace(asked, chosen=chosen, with_other=self._has_other) if is_split else asked
                found.append((chosen_here, numbers))
        return found

    async def _whole_tally(self, chosen: tuple[Key, ...], buckets: Buckets | None) -> Tally:
        """What the pass over all groups told, and what it did not."""
        passes, told = self._passes(chosen, buckets), self._told
        if told is None or told.asked.buckets != buckets:
            return await self._tally(passes)
        tally = await self._tally(list(told.still_wanted(passes, self._meters)))
        await asyncio.to_thread(told.add_to, tally, frozenset(chosen))
        return tally

    async def _tally(self, passes: Sequence[tuple[Pass, list[int]]]) -> Tally:
        found = await self._source.gathered([asked for asked, _ in passes], self.steps)
        return await asyncio.to_thread(self._added, passes, found)

    def _added(self, passes: Sequence[tuple[Pass, list[int]]], found: Sequence[Sequence[Cell]]) -> Tally:
        tally = Tally(self._meters)
        for cells, (asked, numbers) in zip(found, passes, strict=True):
            for cell in cells:
                tally.add(cell, asked, numbers)
        return tally

    async def answer_for(self, query: PanelQuery, chosen: tuple[Key, ...], groups: int, interval: str) -> Answer:
        """The figures of these groups, and of all others as one."""
        buckets = self._buckets(query, chosen, interval)
        is_empty = query.start >= query.end
        tally = Tally(self._meters) if is_empty else await self._whole_tally(chosen, buckets)
        answer = await asyncio.to_thread(self._shown, query, chosen, groups, buckets, tally)
        if not query.forecast or is_empty:
            return answer
        return replace(answer, forecast=await self._forecast(tally))

    def _shown(
        self, query: PanelQuery, chosen: tuple[Key, ...], groups: int, buckets: Buckets | None, tally: Tally
    ) -> Answer:
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
        is_needed = days.starts and query.start < end < query.end  # of a range that is over nothing is left to foretell
        daily = await self._tally([(replace(asked, end=end), numbers)] if is_needed else [])
        return forecast_of(daily, days, total, (query.start, query.end), now)


def too_many(asked: Pass) -> EventStoreError:
    """More groups than an answer adds up."""
    names = " and ".join(asked.split_by) or "time and currency"
    message = f"more than {MAX_GROUPS:,} groups by {names}: add a filter, or ask for a shorter range of time"
    return EventStoreError(message)
