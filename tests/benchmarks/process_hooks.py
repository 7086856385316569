"""``python -m tests.benchmarks.process_hooks EXECUTABLE``: what a hook costs whose plugin is a process of its own.

The host's CPU alone: chain, deadline, codec and gRPC, on one core; the plugin has the other. A request of ten header
lines and a body of 1 KB, which the plugin changes. Prints JSON: micros of CPU a hook, by calls under way at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain, Link
from sluice.plugin_host.opening import Opening, open_plugin
from sluice.plugin_host.registration import PluginRegistration
from sluice.plugin_host.settings import PluginHostSettings
from sluice.sdk import EnrichedRequest, Headers
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.testing import make_context
from tests.benchmarks.processes import MEASURED_CORE, OTHER_CORE

ROUNDS, CALLS = 5, 3_000
AT_ONCE = (1, 32)
_HEADERS = Headers({"content-type": "application/json", **{f"x-header-{number}": "value" for number in range(9)}})
_REQUEST = EnrichedRequest("POST", "/chat/completions", "", _HEADERS, b"x" * 1024, "192.0.2.1", 7, "7")


async def measure(executable: Path) -> dict[str, float]:
    """CPU micros a hook, for each number of calls at once."""
    os.sched_setaffinity(0, {OTHER_CORE})  # the plugin inherits it
    with tempfile.TemporaryDirectory(prefix="sluice-hooks-") as scratch:
        context = make_context()
        registration = PluginRegistration(
            id=1, name="measured", command=f"file://{executable}", hook_types=("post_auth",)
        )
        opening = Opening(
            folder=Path(scratch),
            settings=PluginHostSettings(allowed_directories=(str(executable.parent),)),
            services=context.services,
            runtime="gateway",
            data_dir=Path(scratch),
        )
        plugin = await open_plugin(registration, opening)
        try:
            await plugin.initialize(context)
            os.sched_setaffinity(0, {MEASURED_CORE})
            handler = plugin.handlers()["post_auth"]
            chain = Chain(
                "post_auth", (Link("measured", "post_auth", handler, context.services, 5.0, False),), Limits()
            )
            return {f"at_{number}_us": await _cpu_micros(chain, number) for number in AT_ONCE}
        finally:
            await plugin.shutdown(context)


async def _cpu_micros(chain: Chain, at_once: int) -> float:
    async def call() -> None:
        facts = ExchangeFacts(request_id="r", app_id=7, llm_id=1, llm_slug="llm", vendor="openai")
        timings: list[Any] = []
        await chain.run(facts, _REQUEST, timings)
        assert timings[0]["decision"] == "modify", timings

    async def some(calls: int) -> None:
        for _ in range(calls):
            await call()

    found = []
    for _ in range(ROUNDS + 1):  # the first one warms up
        began = time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(at_once):
                tasks.create_task(some(CALLS // at_once))
        found.append((time.process_time() - began) / (CALLS // at_once * at_once) * 1e6)
    return round(median(found[1:]), 1)


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(Path(sys.argv[1])))))
