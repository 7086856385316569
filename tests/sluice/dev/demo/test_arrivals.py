"""Waiting for documents."""

from __future__ import annotations

from sluice.dev.demo.arrivals import wait_for_documents
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
