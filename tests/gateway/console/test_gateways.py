"""Gateways and their workers by what they wrote."""

from __future__ import annotations

import httpx

from tests.gateway.console.running import Ledger


async def test_every_worker_with_what_it_did(reader: httpx.AsyncClient, ledger: Ledger) -> None:
    """The workers' exchanges add up to the ledger's; and this gateway says what it is."""
    found = (await reader.get("gateways")).json()
    series = found["figures"]["series"]
    assert sorted(each["key"] for each in series) == [["gateway-1", "w0"], ["gateway-1", "w1"]]
    assert sum(each["total"][0] for each in series) == ledger.requests
    assert found["here"]["gateway_id"] == "gateway-1"
    assert found["here"]["kafka"] is False
