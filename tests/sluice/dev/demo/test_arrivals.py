"""Waiting for documents."""

from __future__ import annotations

import pytest

from schemas.events import Kind
from sluice.dev.demo.arrivals import wait_for_documents
from sluice.eventstore.queries import EventStoreError
from tests.sluice.dev.demo.documents import FillingStore, analytics, proxy_log


async def test_it_waits_until_each_exchange_has_what_it_must_have() -> None:
    """A proxy log each, analytics where an app is known, a budget where something was charged."""
    store = FillingStore(
        {
            "proxy_log": [proxy_log("a"), proxy_log("b"), proxy_log("c", "auth_failed", None)],
            "analytics": [analytics("a", 5), analytics("b")],
            "budget": [{"exchange_id": "a"}],
        }
    )
    arrivals = await wait_for_documents(store, ["a", "b", "c"], 10)
    assert arrivals.is_complete
    assert store.shown == 3
    assert {kind: list(found) for kind, found in arrivals.documents.items()} == {
        "proxy_log": ["a", "b", "c"],
        "analytics": ["a", "b"],
        "budget": ["a"],
    }


async def test_what_never_arrives_is_named() -> None:
    """By kind and id, when the time is over; documents of other exchanges do not count."""
    store = FillingStore({"proxy_log": [proxy_log("a"), proxy_log("x")], "analytics": [analytics("a", 5)]}, shown=9)
    arrivals = await wait_for_documents(store, ["a", "b"], 0.0)
    assert not arrivals.is_complete
    assert arrivals.missing == {"proxy_log": ["b"], "analytics": [], "budget": ["a"]}
    assert arrivals.describe_missing() == "1 proxy_log (first: b); 1 budget (first: a)"


class StartingStore(FillingStore):
    """Refuses so many questions before it answers."""

    def __init__(self, refusals: int) -> None:
        super().__init__({"proxy_log": [proxy_log("a", "auth_failed", None)]}, shown=1)
        self._refusals = refusals

    async def count_events(self, kind: Kind) -> int:
        self._refusals -= 1
        if self._refusals >= 0:
            raise EventStoreError("503: Search rejected due to missing shards")
        return await super().count_events(kind)


async def test_a_store_that_is_not_ready_is_asked_again() -> None:
    """Elasticsearch refuses questions while it makes the indices of the first documents."""
    assert (await wait_for_documents(StartingStore(3), ["a"], 10)).is_complete


async def test_a_store_that_never_answers_is_named() -> None:
    """When the time is over, in its own words."""
    with pytest.raises(EventStoreError, match="missing shards"):
        await wait_for_documents(StartingStore(1_000_000), ["a"], 0.0)
