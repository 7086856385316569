"""A small event store that fills up while it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from schemas.events import KINDS, Kind
from sluice.eventstore.queries import Document


class FillingStore:
    """Shows one more of its documents at each question."""

    def __init__(self, documents: dict[Kind, list[dict[str, Any]]], shown: int = 0) -> None:
        self._documents = documents
        self.shown = shown
        self.is_closed = False

    async def count_events(self, kind: Kind) -> int:
        self.shown += kind == KINDS[0]
        return len(self._documents.get(kind, [])[: self.shown])

    async def documents(self, kind: Kind, exchange_ids: Iterable[str]) -> list[Document]:
        wanted = set(exchange_ids)
        return [found for found in self._documents[kind][: self.shown] if found["exchange_id"] in wanted]

    async def close(self) -> None:
        self.is_closed = True


def proxy_log(exchange_id: str, outcome: str = "ok", app_id: int | None = 1) -> dict[str, Any]:
    """The fields that the demo reads."""
    return {"exchange_id": exchange_id, "outcome": outcome, "app_id": app_id}


def analytics(exchange_id: str, cost_nanos: int | None = 0) -> dict[str, Any]:
    """The fields that the demo reads."""
    return {"exchange_id": exchange_id, "prompt_tokens": 1000, "response_tokens": None, "cost_nanos": cost_nanos}
