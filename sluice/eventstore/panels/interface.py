"""Who answers: ``Panels``, over the events database or over Elasticsearch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.events import Kind
from sluice.eventstore.panels.answers import Answer, SearchPage
from sluice.eventstore.panels.query import Filter, PanelQuery
from sluice.eventstore.queries import EventStore

MAX_FOUND = 500
"""Events on one page of a search."""
UNREAD = frozenset({"request_body", "response_body", "request_headers", "response_headers", "raw_usage"})
"""What may be long, and is left out of what a search shows."""


class Panels(EventStore, Protocol):
    """An event store that also answers any figure and searches all apps.

    Both methods raise ``QueryError`` where the question is wrong and ``EventStoreError`` where the store does not
    answer it, after its time limit at the latest. What was never written is empty. A cancelled question ends its work.
    """

    async def figures(self, query: PanelQuery) -> Answer:
        """The figures of a query."""
        ...

    async def search(
        self,
        kind: Kind,
        filters: Sequence[Filter] = (),
        start: int | None = None,
        end: int | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> SearchPage:
        """Events of a kind, by ``occurred_at`` and then ``event_id``, the highest first; ``cursor`` is a page's."""
        ...
