"""What both stores do alike: check what is asked, keep the time limit and the number of questions at once."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from schemas.events import Kind
from sluice.eventstore.panels.answers import Answer, SearchPage
from sluice.eventstore.panels.cells import Cell, Pass
from sluice.eventstore.panels.checks import check_filters, check_query
from sluice.eventstore.panels.interface import MAX_FOUND
from sluice.eventstore.panels.places import Place, cursor_of, place_of
from sluice.eventstore.panels.query import Filter, PanelQuery, QueryError
from sluice.eventstore.panels.question import Question, too_many
from sluice.eventstore.panels.sharing import Shared
from sluice.eventstore.panels.steps import MAX_LOGS, Steps, fields_needed, is_pushed, steps_of
from sluice.eventstore.queries import Document
from sluice.eventstore.reading import ReadingStore
from sluice.eventstore.scope import Scope

AT_ONCE = 4
"""Questions that one process asks its store at the same time; others wait, within their own time limit."""


class PanelReading(ReadingStore):
    """A store that can group events; the rest of ``Panels`` stands on it."""

    gives_numbers = False
    """Whether cells hold the numbers that percentiles are of."""
    _clock: Callable[[], int]
    _turns: asyncio.Semaphore
    _answers: Shared[Answer]
    _steps: Shared[Steps]

    def _prepare(self, clock: Callable[[], int]) -> None:
        """Called once, when the store was made."""
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._answers = Shared[Answer]()
        self._steps = Shared[Steps]()

    @abstractmethod
    async def _cells(self, passes: Sequence[Pass]) -> list[list[Cell]]:
        """The cells of each pass, each list of at most ``most`` + 1."""

    @abstractmethod
    async def _search_events(
        self,
        kind: Kind,
        filters: Sequence[Filter],
        bounds: tuple[int, int],
        behind: Place | None,
        limit: int,
        only: Sequence[str] = (),
    ) -> list[tuple[Place, Document]]:
        """Events, newest first, behind a place; ``only`` these fields, or all but what is long."""

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._limited(), self._turns:
            yield

    async def figures(self, query: PanelQuery) -> Answer:
        """The figures of a query."""
        check_query(query)
        scope = Scope.of_app(0, query.start, query.end)
        query = replace(query, start=scope.start, end=max(scope.start, scope.end))
        async with self._limited():
            return await self._answers.once(query, lambda: self._answered(query))

    async def _answered(self, query: PanelQuery) -> Answer:
        async with self._turn():
            return await Question(self, query).answered()

    async def search(
        self,
        kind: Kind,
        filters: Sequence[Filter] = (),
        start: int | None = None,
        end: int | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> SearchPage:
        """Events of a kind, newest first."""
        check_filters(kind, tuple(filters), "filters")
        if type(limit) is not int or not 1 <= limit <= MAX_FOUND:
            message = f"limit: {limit!r} must be a whole number from 1 to {MAX_FOUND}"
            raise QueryError(message)
        behind = None if cursor is None else place_of(cursor)
        scope = Scope.of_app(0, start, end)
        if not scope.is_possible:
            return SearchPage((), None)
        async with self._turn():
            found = await self._search_events(kind, tuple(filters), (scope.start, scope.end), behind, limit + 1)
        shown = found[:limit]
        return SearchPage(
            tuple(document for _, document in shown), cursor_of(shown[-1][0]) if len(found) > limit else None
        )

    async def gathered_whole(self, asked: Pass) -> list[Cell] | None:
        """The cells of a pass; ``None`` where there are more than it wants."""
        [cells] = await self._cells([asked])
        return cells if len(cells) <= asked.most else None

    async def gathered(self, passes: Sequence[Pass], steps: Steps | None) -> list[list[Cell]]:
        """The cells of each pass; EventStoreError where there are more than a pass wants."""
        if not passes:
            return []
        found = await self._cells(passes) if steps is None else [steps.cells(asked) for asked in passes]
        for cells, asked in zip(found, passes, strict=True):
            if len(cells) > asked.most:
                raise too_many(asked)
        return found

    async def steps(self, query: PanelQuery) -> Steps:
        """The plugins' steps of the newest proxy logs in a range; the panels of a page share them."""
        pushed, fields = tuple(found for found in query.filters if is_pushed(found)), fields_needed(query)

        async def ask() -> Steps:
            bounds = (query.start, query.end)
            found = await self._search_events("proxy_log", pushed, bounds, None, MAX_LOGS + 1, fields)
            return steps_of([document for _, document in found])

        return await self._steps.once((query.start, query.end, pushed, fields), ask)

    def now(self) -> int:
        """Micros."""
        return self._clock()
