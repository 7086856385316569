"""Waiting for the documents of some exchanges: a proxy log each, analytics where an app is known, a budget where it
cost something."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.events import KINDS, Kind
from sluice.eventstore.queries import Document, EventStoreError

_POLL_SECONDS = 0.1


class DocumentStore(Protocol):
    """What is asked of an event store here."""

    async def count_events(self, kind: Kind) -> int:
        """How many documents of a kind are there."""
        ...

    async def documents(self, kind: Kind, exchange_ids: Iterable[str]) -> list[Document]:
        """The documents of these exchanges."""
        ...


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The documents by kind and exchange, and what is missing yet."""

    documents: dict[Kind, dict[str, Document]]
    missing: dict[Kind, list[str]]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return not any(self.missing.values())

    def describe_missing(self) -> str:
        """How many of which kind, with the first ids."""
        return "; ".join(
            f"{len(ids)} {kind} (first: {', '.join(ids[:3])})" for kind, ids in self.missing.items() if ids
        )


async def wait_for_documents(store: DocumentStore, exchange_ids: Sequence[str], timeout_seconds: float) -> Arrivals:
    """Return when all are there, or with what is missing when the time is over.

    A store that does not answer yet, such as an Elasticsearch whose indices are just being made, is asked again; raises
    EventStoreError where it does not in all that time.
    """
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while True:
        is_over = asyncio.get_running_loop().time() > deadline
        try:
            arrivals = _compare(await _read(store, exchange_ids), exchange_ids)
        except EventStoreError:
            if is_over:
                raise
        else:
            if arrivals.is_complete or is_over:
                return arrivals
        await asyncio.sleep(_POLL_SECONDS)


async def _read(store: DocumentStore, exchange_ids: Sequence[str]) -> dict[Kind, dict[str, Document]]:
    found: dict[Kind, dict[str, Document]] = {}
    for kind in KINDS:
        # Counting first: it makes Elasticsearch show what it has, and says where nothing was ever written.
        documents = await store.documents(kind, exchange_ids) if await store.count_events(kind) else []
        found[kind] = {str(document["exchange_id"]): document for document in documents}
    return found


def _compare(found: dict[Kind, dict[str, Document]], exchange_ids: Sequence[str]) -> Arrivals:
    proxy_logs, analytics = found["proxy_log"], found["analytics"]
    expected: dict[Kind, list[str]] = {
        "proxy_log": list(exchange_ids),
        "analytics": [key for key, document in proxy_logs.items() if document["app_id"] is not None],
        "budget": [key for key, document in analytics.items() if document["cost_nanos"]],
    }
    missing = {kind: [key for key in keys if key not in found[kind]] for kind, keys in expected.items()}
    return Arrivals(found, missing)
