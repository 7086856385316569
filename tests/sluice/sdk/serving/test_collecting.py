"""Tests of ``sluice.sdk.serving.collecting``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import DataCollectionResponse, wire
from sluice.sdk.testing import make_analytics, make_budget_usage, make_context, make_proxy_log
from tests.sluice.sdk.serving.everything import Everything
from tests.sluice.sdk.serving.harness import Serving, serving

EVENTS = [
    ("HandleProxyLog", wire.proxy_log_to_wire, make_proxy_log),
    ("HandleAnalytics", wire.analytics_to_wire, make_analytics),
    ("HandleBudgetUsage", wire.budget_to_wire, make_budget_usage),
]


@pytest.fixture
async def plugin(tmp_path: Path) -> AsyncIterator[Serving]:
    """One with every capability."""
    async with serving(Everything(), tmp_path) as served:
        yield served


@pytest.mark.parametrize(("method", "to_wire", "make"), EVENTS, ids=lambda value: getattr(value, "__name__", value))
async def test_events_are_collected_and_answered(plugin: Serving, method: str, to_wire: Any, make: Any) -> None:
    """None acknowledges; a failure or a wrong answer is no success, so that the event comes again."""

    async def answer(event_id: str) -> DataCollectionResponse:
        message = to_wire(make_context(), make(event_id=event_id))
        return wire.collection_from_wire(await getattr(plugin.stub, method)(message))

    assert (await answer("e-1")).message == "e-1"
    assert await answer("none") == DataCollectionResponse.done()
    failed = await answer("raise")
    assert (failed.success, failed.handled, failed.message) == (False, False, "OSError: disk full")
    wrong = await answer("wrong")
    assert wrong.success is False
    assert "returned a value of type int" in wrong.message


async def test_payloads_are_taken_or_not(plugin: Serving) -> None:
    """Either is a success; a failure says why, and the payload comes again."""

    async def answer(payload: bytes) -> bool:
        return wire.edge_payload_response_from_wire(
            await plugin.stub.AcceptEdgePayload(pb.EdgePayloadRequest(payload=payload))
        )

    assert [await answer(b"mine"), await answer(b"another's")] == [True, False]
    with pytest.raises(ValueError, match="disk full"):
        await answer(b"raise")
