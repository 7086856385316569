"""What both stores do alike: check what is asked, keep the time limit, make the answer from documents and groups."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from schemas.events import Kind
from schemas.ids import exchange_id_of
from sluice.eventstore.figures import (
    BY_CURRENCY,
    BY_DAY,
    BY_LLM,
    BY_MODEL,
    BY_OUTCOME,
    Group,
    Grouping,
    costs_of,
    llm_stats_of,
    summary_of,
)
from sluice.eventstore.queries import (
    MAX_PAGE,
    TIME_LIMIT_SECONDS,
    Bodies,
    Costs,
    Document,
    EventPage,
    EventStoreError,
    Exchange,
    LlmStats,
    Summary,
)
from sluice.eventstore.scope import Scope

_MAX_OFFSET = 1 << 62  # more than any store can hold, and still a number for all of them
_MAX_EXCHANGE_ID = 200  # an event's id is no longer; an exchange's is shorter


class ReadingStore(ABC):
    """A store that knows how to find documents, pages and groups; the rest of the interface stands on these."""

    def __init__(self, time_limit_seconds: float = TIME_LIMIT_SECONDS) -> None:
        self._time_limit = time_limit_seconds

    @abstractmethod
    async def _find(self, kind: Kind, exchange_ids: list[str]) -> list[Document]:
        """The events of these exchanges."""

    @abstractmethod
    async def _page(self, scope: Scope, offset: int, limit: int) -> EventPage:
        """Analytics events behind the first ``offset`` of them."""

    @abstractmethod
    async def _groups(self, scope: Scope, groupings: Sequence[Grouping]) -> list[list[Group]]:
        """The groups of each grouping, each list of at most ``MAX_GROUPS`` + 1."""

    @asynccontextmanager
    async def _limited(self) -> AsyncIterator[None]:
        """Raise EventStoreError where what is within takes longer than a page may wait."""
        try:
            async with asyncio.timeout(self._time_limit):
                yield
        except TimeoutError as error:
            raise self._late() from error

    def _late(self) -> EventStoreError:
        return EventStoreError(
            f"the event store did not answer within {self._time_limit:g} s; "
            "ask for a shorter range of time, or see whether the store is overloaded"
        )

    async def documents(self, kind: Kind, exchange_ids: Iterable[str]) -> list[Document]:
        """The events of these exchanges, at most ``MAX_DOCUMENTS``."""
        known = [found for found in exchange_ids if _can_be_stored(found)]
        async with self._limited():
            return await self._find(kind, known) if known else []

    async def analytics_events(
        self, app_id: int, page: int, limit: int, start: int | None = None, end: int | None = None
    ) -> EventPage:
        """One page of an app's analytics events, newest first."""
        if page < 1:
            raise ValueError(f"page: {page} is not a page; the first is 1")
        if not 1 <= limit <= MAX_PAGE:
            raise ValueError(f"limit: {limit} is not from 1 to {MAX_PAGE:,}")
        scope, offset = Scope.of_app(app_id, start, end), min((page - 1) * limit, _MAX_OFFSET)
        async with self._limited():
            return await self._page(scope, offset, limit) if scope.is_possible else EventPage([], 0)

    async def exchange(self, exchange_id: str) -> Exchange:
        """All events of one exchange."""
        ids = [exchange_id_of(exchange_id)]
        async with self._limited():
            proxy_logs = await self.documents("proxy_log", ids)
            analytics = await self.documents("analytics", ids)
            budgets = sorted(await self.documents("budget", ids), key=lambda found: str(found["event_id"]))
        return Exchange(proxy_logs[0] if proxy_logs else None, analytics[0] if analytics else None, tuple(budgets))

    async def bodies(self, exchange_id: str) -> Bodies | None:
        """The bodies of one exchange."""
        found = await self.documents("proxy_log", [exchange_id_of(exchange_id)])
        return _bodies(found[0]) if found else None

    async def summary(self, app_id: int, start: int, end: int) -> Summary:
        """How an app fared in a range of time."""
        scope = Scope.of_app(app_id, start, end)
        by_outcome, by_model = await self._figures(scope, BY_OUTCOME, BY_MODEL)
        return summary_of(by_outcome, by_model, scope.start, scope.end)

    async def costs(self, app_id: int, start: int, end: int) -> Costs:
        """What an app spent in a range of time."""
        return costs_of(*await self._figures(Scope.of_app(app_id, start, end), BY_DAY, BY_LLM, BY_MODEL))

    async def llm_stats(self, llm_id: int) -> LlmStats:
        """What an LLM has done."""
        return llm_stats_of(*await self._figures(Scope(llm_id=llm_id), BY_CURRENCY))

    async def _figures(self, scope: Scope, *groupings: Grouping) -> list[list[Group]]:
        if not scope.is_possible:
            return [[] for _ in groupings]
        async with self._limited():
            return await self._groups(scope, groupings)


def _can_be_stored(text: str) -> bool:
    """Whether it can be an id at all: NUL and half characters are what stores choke on."""
    return "\0" not in text and len(text) <= _MAX_EXCHANGE_ID and text.encode(errors="ignore").decode() == text


def _bodies(log: Document) -> Bodies:
    return Bodies(
        exchange_id=log["exchange_id"],
        method=log.get("method") or "",
        path=log.get("path") or "",
        response_code=log.get("response_code"),
        occurred_at=log.get("occurred_at") or 0,
        request_body=log.get("request_body"),
        request_content_type=log.get("request_content_type") or "",
        request_body_truncated=bool(log.get("request_body_truncated")),
        request_body_replaced=bool(log.get("request_body_replaced")),
        response_body=log.get("response_body"),
        response_content_type=log.get("response_content_type") or "",
        response_body_truncated=bool(log.get("response_body_truncated")),
        response_body_replaced=bool(log.get("response_body_replaced")),
    )
