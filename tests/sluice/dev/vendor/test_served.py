"""The log of what was served."""

from __future__ import annotations

from pathlib import Path

import httpx
import orjson

from sluice.dev.vendor import MockVendor, read_served
from tests.sluice.dev.vendor.talking import ask


async def test_the_log_tells_exchange_usage_and_completeness(mock_vendor: MockVendor) -> None:
    """In memory and at ``/__log``, an entry a request that a script answered."""
    answer = await ask(mock_vendor, "prompt_tokens=3;response_tokens=2", **{"x-sluice-exchange-id": "e-1"})
    await ask(mock_vendor, "status=429")
    first, second = mock_vendor.served
    assert (first.exchange_id, first.model, first.status, first.complete) == ("e-1", "mock-small", 200, True)
    assert (first.prompt_tokens, first.response_tokens) == (3, 2)
    assert (second.status, second.prompt_tokens, second.complete) == (429, None, True)
    assert answer.headers["x-request-id"] == f"mock-{first.number}"
    assert mock_vendor.served_for("e-1") == [first]
    async with httpx.AsyncClient() as client:
        lines = (await client.get(mock_vendor.url.removesuffix("/v1") + "/__log")).text.splitlines()
    assert [orjson.loads(line)["status"] for line in lines] == [200, 429]


async def test_the_log_file_holds_every_finished_request_and_is_appended_to(tmp_path: Path) -> None:
    """Also those whose client left; a torn last line is not an entry."""
    path = tmp_path / "served.jsonl"
    for exchange_id in ("e-1", "e-2"):
        vendor = MockVendor(log_path=path)
        await vendor.start()
        await ask(vendor, **{"x-sluice-exchange-id": exchange_id})
        await vendor.close()
    with path.open("ab") as file:
        file.write(b'{"number":')
    entries = read_served(path)
    assert [entry.exchange_id for entry in entries] == ["e-1", "e-2"]
    assert all(entry.complete for entry in entries)


async def test_the_log_tells_what_else_tests_compare(mock_vendor: MockVendor) -> None:
    """Usage as the vendor counts it, calls, choices, size, whose format it was."""
    answer = await ask(mock_vendor, "tool_calls=2;cached=3")
    served = mock_vendor.served[0]
    assert orjson.loads(served.raw_usage) == answer.json()["usage"]
    assert (served.tool_calls, served.choices, served.cached) == (2, 1, 3)
    assert (served.format, served.kind, served.body_bytes) == ("openai", "chat", len(answer.content))
