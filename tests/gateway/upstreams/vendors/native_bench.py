"""A gateway before a scripted vendor, for tests of one exchange and every figure of what is recorded of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.gateway.flow import TOKEN, Flow, running
from tests.gateway.upstreams.vendors.anthropic.scripted import Reply, ScriptedVendor, Seen, scripted_vendor

SLUG = "bench"
_TIMES = {"total_micros", "upstream_micros", "first_byte_micros", "attempts", "price_version"}
_COMMON = {
    "exchange_id", "request_id", "occurred_at", "completed_at", "gateway_id", "worker", "boot_id", "trace_id",
    "event_id", "sequence",
}  # fmt: skip


class Bench(NamedTuple):
    """A running gateway and its vendor."""

    flow: Flow
    vendor: ScriptedVendor
    same: dict[str, Any]
    """What all events say that nothing is wrong with."""

    async def ask(self, path: str, body: Any, reply: Reply) -> tuple[httpx.Response, Seen, dict[str, Any]]:
        """One exchange: what the client got, what the vendor saw, all figures of the analytics event."""
        count = len(self.flow.log.exchanges) + 1
        self.vendor.reply = reply
        answer = await self.flow.client.post(f"/llm/call/{SLUG}{path}", json=body)
        event = (await self.flow.recorded(count))["analytics"]
        [attempt] = event["attempts"]
        assert (attempt["llm_slug"], attempt["status"], attempt["error_kind"]) == (SLUG, reply.status, "")
        assert event["total_micros"] >= event["first_byte_micros"] > 0
        found = {name: value for name, value in event.items() if name not in _TIMES | _COMMON}
        if found["raw_usage"] is not None:
            found["raw_usage"] = json.loads(found["raw_usage"])
        return answer, self.vendor.seen[-1], found

    def event(self, **figures: Any) -> dict[str, Any]:
        """The figures of an event that differs from all others in these."""
        return self.same | figures


@contextlib.asynccontextmanager
async def bench_of(
    folder: Path, vendor_name: str, api_key: str, model: str, scopes: Sequence[str] = ("api",), **llm: Any
) -> AsyncIterator[Bench]:
    """With a price of a dollar for a million tokens of the prompt, and of two for those of the response."""
    price = {"id": "own", "vendor": vendor_name, "model": model, "prompt": "1", "response": "2"}
    async with scripted_vendor() as vendor:
        entry = {"id": 1, "slug": SLUG, "vendor": vendor_name, "base_url": vendor.url, "api_key": api_key, **llm}
        apps = [{"id": 1, "name": "tests", "user_id": 7, "llms": [SLUG]}, {"id": 2, "name": "stranger"}]
        token = {"app": 1, "sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "scopes": list(scopes)}
        async with running(folder, vendor.url, llms=[entry], apps=apps, tokens=[token], prices=[price]) as flow:
            yield Bench(flow, vendor, _same(vendor_name))


def lines_reply(stream: bytes, content_type: str) -> Reply:
    """A stream, cut where no line ends."""
    places = [*range(0, len(stream), 37), len(stream)]
    return Reply(pieces=[stream[start:end] for start, end in pairwise(places)], content_type=content_type)


def _same(vendor_name: str) -> dict[str, Any]:
    return {
        "app_id": 1, "user_id": 7, "llm_id": 1, "llm_slug": SLUG, "vendor": vendor_name, "outcome": "ok", "labels": [],
        "cache_read_prompt_tokens": None, "cache_write_prompt_tokens": None, "reasoning_tokens": None,
        "raw_usage": None, "currency": "USD", "price_id": "own", "cost_status": "exact", "tool_calls": 0, "choices": 1,
        "response_code": 200, "is_stream": False, "partial": False,
    }  # fmt: skip
