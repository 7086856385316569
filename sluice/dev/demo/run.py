"""The demo from its first exchange to its table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from rich.console import Console

from sluice.dev.demo.arrivals import Arrivals, wait_for_documents
from sluice.dev.demo.state import DemoState
from sluice.dev.demo.summary import as_json, show, summarise
from sluice.dev.demo.traffic import send_traffic
from sluice.eventstore.opening import open_store
from sluice.eventstore.queries import EventStore, EventStoreError

ARRIVE_SECONDS = 60.0


class DemoError(Exception):
    """The demo did not show what it should; the message says what, and where to look."""


def curl_line(address: str, token: str) -> str:
    """One line to paste."""
    return (
        f"curl -s {address}/llm/call/demo/chat/completions -H 'Authorization: Bearer {token}' "
        "-H 'Content-Type: application/json' "
        """-d '{"model":"mock-small","messages":[{"role":"user","content":"hello"}]}'"""
    )


async def run_demo(
    address: str, state: DemoState, elasticsearch_url: str, console: Console, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Send, wait, show; the result for ``--json``. Raises DemoError."""
    try:
        sent = await send_traffic(address, state)
    except httpx.HTTPError as error:
        message = f"the gateway at {address} did not answer: {type(error).__name__}: {error}"
        raise DemoError(message) from error
    unnamed = [exchange for exchange in sent if not exchange.exchange_id]
    if unnamed:
        message = f"{len(unnamed)} answers carry no X-Sluice-Exchange-Id; the first: {unnamed[0]}"
        raise DemoError(message)
    tell(f"{len(sent)} exchanges sent; waiting for their documents")
    try:
        arrivals = await _wait(_store(state, elasticsearch_url), [exchange.exchange_id for exchange in sent])
    except EventStoreError as error:
        message = f"the event store did not show them within {ARRIVE_SECONDS:g} s: {error}"
        raise DemoError(message) from error
    rows = summarise(arrivals)
    show(rows, console)
    if not arrivals.is_complete:
        message = f"documents did not arrive within {ARRIVE_SECONDS:g} s: {arrivals.describe_missing()}"
        raise DemoError(message)
    return as_json(rows, arrivals)


def _store(state: DemoState, elasticsearch_url: str) -> EventStore:
    database_url = f"sqlite:///{state.database.as_posix()}"
    return open_store(database_url=database_url, elasticsearch_url=elasticsearch_url, time_limit_seconds=ARRIVE_SECONDS)


async def _wait(store: EventStore, exchange_ids: list[str]) -> Arrivals:
    try:
        return await wait_for_documents(store, exchange_ids, ARRIVE_SECONDS)
    finally:
        await store.close()
