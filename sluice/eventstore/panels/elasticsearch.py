"""Panels over Elasticsearch's daily indices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from schemas.events import Kind
from sluice.clock import now_micros
from sluice.eventstore.aggregations import TIME, Filters, is_exact, matching, sum_of, within
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp
from sluice.eventstore.elasticsearch_queries import ElasticsearchStore
from sluice.eventstore.exact_sums import exact_sum
from sluice.eventstore.names import INDEX_NAMES
from sluice.eventstore.panels.cells import Cell, Part, Pass
from sluice.eventstore.panels.interface import UNREAD
from sluice.eventstore.panels.places import Place
from sluice.eventstore.panels.query import Filter, Measure
from sluice.eventstore.panels.reading import PanelReading
from sluice.eventstore.panels.requests import (
    body_of,
    chosen_clause,
    clauses_of,
    found_of,
    is_key,
    none_of,
    where_of,
)
from sluice.eventstore.queries import TIME_LIMIT_SECONDS, Document
from sluice.eventstore.scope import MILLISECOND_MICROS
from sluice.eventstore.sources import event_of

T = TypeVar("T")


class ElasticsearchPanels(PanelReading, ElasticsearchStore):
    """The daily indices behind their read aliases; the passes of a round are asked for side by side."""

    def __init__(
        self,
        http: ElasticsearchHttp,
        names: Mapping[Kind, str] = INDEX_NAMES,
        time_limit_seconds: float = TIME_LIMIT_SECONDS,
        clock: Callable[[], int] = now_micros,
    ) -> None:
        super().__init__(http, names, time_limit_seconds)
        self._prepare(clock)

    async def gathered_whole(self, asked: Pass) -> list[Cell] | None:
        """Over time so few groups are asked for that there is room for all of their buckets."""
        most = asked.most // len(asked.buckets.starts) if asked.buckets else asked.most
        [cells] = await self._cells([replace(asked, most=most)])
        return cells if len({cell.key for cell in cells}) <= most else None

    async def _cells(self, passes: Sequence[Pass]) -> list[list[Cell]]:
        return await side_by_side([self._pass_cells(asked) for asked in passes])

    async def _pass_cells(self, asked: Pass) -> list[Cell]:
        clauses = clauses_of(asked)
        if asked.chosen is None:
            return await self._grouped(asked, asked.keys, clauses, is_other=False)
        chosen = chosen_clause(asked.split_by, asked.chosen)
        names = asked.keys[len(asked.split_by) :]
        wanted = []
        if asked.with_shown:
            wanted.append(self._grouped(asked, asked.keys, (*clauses, chosen), is_other=False))
        if asked.with_other:
            wanted.append(self._grouped(asked, names, (*clauses, none_of([chosen])), is_other=True))
        return [cell for cells in await side_by_side(wanted) for cell in cells]

    async def _grouped(self, asked: Pass, names: Sequence[str], clauses: Filters, *, is_other: bool) -> list[Cell]:
        answer = await self._search_in(asked.events, body_of(asked, names, clauses))
        cells = []
        for key, bucket, found in found_of(answer, asked, names):
            here = (*clauses, *is_key(names, key), *self._within(asked, bucket))
            parts = [
                await self._part(asked.events, measure, found[str(number)], found["doc_count"], here)
                for number, measure in enumerate(asked.measures)
            ]
            cells.append(Cell(key, bucket, is_other, tuple(parts)))
        return cells

    def _within(self, asked: Pass, bucket: int) -> Filters:
        if asked.buckets is None:
            return ()
        start, end = list(asked.buckets.bounds())[bucket]
        return (within(start, end),)

    async def _part(
        self, kind: Kind, measure: Measure, found: Mapping[str, Any], events: int, clauses: Filters
    ) -> Part:
        """Asks again where a double may have rounded a sum."""
        inside = found.get("doc_count", events)
        figure = found.get("of", found) if measure.where else found
        if measure.kind == "share":
            return Part(events, inside)
        if not measure.field:
            return Part(inside)
        if measure.kind == "distinct":
            return Part(values=(figure["value"],))
        if measure.kind == "percentiles":
            values = {float(value["key"]): value["value"] for value in figure["values"]}
            return Part(values=tuple(values.get(float(percent)) for percent in measure.percents))
        if is_exact(figure):
            return Part(figure["count"], sum_of(figure))
        search = partial(self._search_in, kind)
        return Part(figure["count"], await exact_sum(search, (*clauses, *where_of(kind, measure.where)), measure.field))

    async def _search_events(
        self,
        kind: Kind,
        filters: Sequence[Filter],
        bounds: tuple[int, int],
        behind: Place | None,
        limit: int,
        only: Sequence[str] = (),
    ) -> list[tuple[Place, Document]]:
        source: Any = ["@timestamp" if name == "occurred_at" else name for name in only]
        body: dict[str, Any] = {
            "size": limit,
            "query": matching((within(*bounds), *where_of(kind, filters))),
            "sort": [{TIME: "desc"}, {"event_id": "desc"}],
            "_source": source or {"excludes": sorted(UNREAD)},
            "track_total_hits": False,
        }
        if behind is not None:
            body["search_after"] = [behind[0] // MILLISECOND_MICROS, behind[1]]
        hits = (await self._search_in(kind, body))["hits"]["hits"]
        return [(_place(hit), event_of(kind, hit["_source"])) for hit in hits]


async def side_by_side(questions: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All answers in order; the first failure as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(question) for question in questions]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _place(hit: Mapping[str, Any]) -> Place:
    milliseconds, event_id = hit["sort"]
    return milliseconds * MILLISECOND_MICROS, event_id or ""
