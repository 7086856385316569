"""Gateways and their workers by what they wrote."""

from __future__ import annotations

from typing import Any

import httpx

from gateway.console.collectors import Collectors
from tests.gateway.console.running import Console, Ledger


async def test_every_worker_with_what_it_did(reader: httpx.AsyncClient, ledger: Ledger) -> None:
    """The workers' exchanges add up to the ledger's; and this gateway says what it is."""
    found = (await reader.get("gateways")).json()
    series = found["figures"]["series"]
    assert sorted(each["key"] for each in series) == [["gateway-1", "w0"], ["gateway-1", "w1"]]
    assert sum(each["total"][0] for each in series) == ledger.requests
    assert found["here"]["gateway_id"] == "gateway-1"
    assert found["here"]["kafka"] is False


async def test_reports_of_all_desks_are_one_list(console: Console, reader: httpx.AsyncClient) -> None:
    """A boot that two desks of one log know of stands once, the newest first; who is away hides nobody; what was
    compared is each host's own."""

    def boot(name: str, at: str) -> dict[str, Any]:
        return {"gateway_id": "g", "worker": "w0", "boot_id": name, "last_seen_at": at}

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "c":
            raise httpx.ConnectError("refused")
        boots = [boot("old", "2026-01-01"), boot("new", "2026-01-02"), 7]
        reconciled = {"equal": False} if request.url.host == "b" else None
        return httpx.Response(200, json={"boots": boots, "reconciled": reconciled})

    collectors = Collectors(["http://a:1", "http://b:1", "http://c:1"], "", httpx.MockTransport(handler))
    object.__setattr__(console.parts, "collectors", collectors)
    found = (await reader.get("gateways/reports")).json()
    assert [each["boot_id"] for each in found["boots"]] == ["new", "old"]
    assert found["reconciled"] == [{"url": "http://b:1", "equal": False}]
    assert len(found["problems"]) == 1
    assert "http://c:1" in found["problems"][0]


async def test_without_a_collector_it_says_so(reader: httpx.AsyncClient) -> None:
    """Reports are read from the log, which the gateway does not read."""
    found = (await reader.get("gateways/reports")).json()
    assert (found["is_configured"], found["boots"], found["problems"]) == (False, [], [])
