"""``python -m tests.benchmarks.hooks``: what the host adds to a hook in the gateway's process, in nanoseconds, as JSON.

A chain of eleven plugins less a chain of one, divided by ten; less what the plugin itself costs. The best of many runs,
since everything else on the machine only adds.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from schemas.events import PluginTiming
from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain, Link
from sluice.sdk import Context, EnrichedRequest, Headers, PluginResponse
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.testing import RecordingServices

_RUNS, _CALLS, _LINKS = 25, 11_000, 11
_REQUEST = EnrichedRequest("POST", "/chat/completions", "", Headers({"a": "b"}), b"{}", "192.0.2.1")

Hook = Callable[[Context, Any], Any]


async def answers(_ctx: Context, _request: EnrichedRequest) -> PluginResponse:
    """At once."""
    return PluginResponse.allow()


async def modifies(_ctx: Context, request: EnrichedRequest) -> PluginResponse:
    """One header more."""
    return PluginResponse.modify(headers=request.headers | {"x-a": "1"})


async def waits(_ctx: Context, _request: EnrichedRequest) -> PluginResponse:
    """For one turn of the loop."""
    await asyncio.sleep(0)
    return PluginResponse.allow()


async def _nanoseconds(call: Callable[[], Awaitable[Any]], calls: int) -> float:
    best = float("inf")
    for _ in range(_RUNS):
        began = time.perf_counter_ns()
        for _ in range(calls):
            await call()
        best = min(best, (time.perf_counter_ns() - began) / calls)
    return best


async def _of_chain(hook: Hook, links: int) -> float:
    services = RecordingServices()
    chain = Chain(
        "post_auth", tuple(Link(f"p{at}", "post_auth", hook, services, 1.0, False) for at in range(links)), Limits()
    )

    async def run() -> None:
        timings: list[PluginTiming] = []
        await chain.run(ExchangeFacts(), _REQUEST, timings)

    return await _nanoseconds(run, _CALLS // links)


async def measure() -> dict[str, float]:
    """Nanoseconds that the host adds, for a plugin that allows, modifies, or waits for one turn of the loop."""
    facts = Context(ExchangeFacts(), RecordingServices())
    found: dict[str, float] = {}
    for hook in (answers, modifies, waits):
        alone = await _nanoseconds(lambda hook=hook: hook(facts, _REQUEST), _CALLS)  # type: ignore[misc]
        one, many = await _of_chain(hook, 1), await _of_chain(hook, _LINKS)
        added = (many - one) / (_LINKS - 1) - alone
        found[f"{hook.__name__}_ns"] = round(added)
        found[f"{hook.__name__}_alone_ns"] = round(one - alone)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure())))
