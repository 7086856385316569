"""Every shipped plugin as a process of its own: it does there what it does in the gateway's process."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import sluice.plugins
from sluice.plugin_host.opening import open_plugin
from sluice.plugin_host.running import RunningPlugin
from sluice.sdk import BasePlugin
from sluice.sdk.capabilities import Hook
from sluice.sdk.testing import (
    RecordingContext,
    RecordingServices,
    make_auth_request,
    make_context,
    make_frames,
    make_request,
    make_response,
    make_stream_complete,
)
from tests.sluice.plugin_host.processes.peers import make_opening, make_registration, write_script

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "custom_auth:CustomAuth": {"valid_token": "right", "tokens": [{"token": "other", "app_id": 7}]},
    "echo_endpoint:EchoEndpoint": {},
    "firewall:Firewall": {"rules": [{"phrases": [{"pattern": "ada"}]}]},
    "firewall:PreAuthFirewall": {"patterns": ["ada"]},
    "mcp_proxy:McpProxy": {"servers": {"a": {"url": "https://mcp.example.com/mcp"}}},
    "pii_redactor:PiiRedactor": {"restore": True},
    "prompt_size_limit:PromptSizeLimit": {"max_body_bytes": 10},
    "rate_limiter:RateLimiter": {"rules": [{"id": "a", "limit": {"type": "tokens", "value": 5}}], "storage": "kv"},
    "request_enricher:RequestEnricher": {"additional_instruction": "Be brief.", "headers": {"x-app": "{app_id}"}},
    "response_cache:ResponseCache": {"storage": "kv", "report_interval_seconds": 300, "wait_seconds": 30},
    "response_firewall:ResponseFirewall": {"patterns": ["hello"]},
    "response_modifier:ResponseBodyModifier": {"append_text": "!"},
    "response_modifier:ResponseModifier": {"add_headers": {"x-by": "us"}},
}
"""Of each plugin one in which nothing but texts, numbers and lists of them would do."""

PROMPT = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "I am ada@example.com"}]}).encode()
ANSWER = json.dumps({"choices": [{"message": {"content": "hello [EMAIL_1]"}}], "usage": {"total_tokens": 9}}).encode()
FRAMES = make_frames(["hel", "lo [EMA", "IL_1]"])
STREAM = {"content-type": "text/event-stream"}


def shipped() -> set[str]:
    """Every plugin in the package."""
    found = set()
    for path in Path(sluice.plugins.__file__).parent.glob("[a-z]*.py"):
        module = import_module(f"sluice.plugins.{path.stem}")
        own = [each for _, each in inspect.getmembers(module, inspect.isclass) if each.__module__ == module.__name__]
        found |= {f"{path.stem}:{each.__name__}" for each in own if issubclass(each, BasePlugin) and each.name}
    return found


def test_all_of_them_are_here() -> None:
    """A new one is tried out too."""
    assert set(CONFIGURATIONS) == shipped()


def test_each_fits_on_a_few_screens() -> None:
    """Below 150 lines, so that they can be read as examples."""
    lengths = {
        path.name: len(path.read_text().splitlines()) for path in Path(sluice.plugins.__file__).parent.glob("*.py")
    }
    assert {name: lines for name, lines in lengths.items() if lines >= 150} == {}


@asynccontextmanager
async def running(
    command: str | Path, name: str, folder: Path, services: RecordingServices
) -> AsyncIterator[RunningPlugin]:
    """A plugin that was initialised, kept alive, and shut down in the end."""
    ctx = make_context(services=services)
    fields = {"name": name.partition(":")[0], "hook_types": (), "config": CONFIGURATIONS[name]}
    registration = make_registration(command, service_scopes=("kv.readwrite", "control.send"), **fields)
    plugin = await open_plugin(registration, make_opening(folder, services))
    try:
        await plugin.initialize(ctx)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(plugin.keep())
            yield plugin
            keeping.cancel()
    finally:
        await plugin.shutdown(ctx)


async def lived(plugin: RunningPlugin, services: RecordingServices) -> list[Any]:
    """What it does with two equal exchanges, a whole one and a stream."""
    hooks, told = plugin.handlers(), list[Any]()

    async def call(hook: Hook, ctx: RecordingContext, message: Any) -> None:
        if hook in hooks:
            told.append((hook, in_short(await hooks[hook](ctx, message))))

    for number in (1, 2):
        ctx = make_context(services=services, app_id=1, exchange_id=f"exchange-{number}")
        await call("pre_auth", ctx, make_request(PROMPT, app_id=None))
        await call("auth", ctx, make_auth_request("right" if number == 1 else "wrong"))
        await call("post_auth", ctx, make_request(PROMPT, user_id="ada"))
        await call("response_headers", ctx, make_response(b""))
        if number == 1:
            await call("response_body", ctx, make_response(ANSWER))
            continue
        for piece in [*FRAMES, b""] if plugin.described.handles_chunks else ():
            message = make_response(piece, headers=STREAM).replace(is_stream_chunk=True, is_last_chunk=piece == b"")
            await call("response_body", ctx, message)
        await call("stream_complete", ctx, make_stream_complete(b"".join(FRAMES)))
    return told


def in_short(answer: Any) -> Any:
    """What an exchange would notice of an answer, but for the time of day and how headers are spelt."""
    fields = {name: getattr(answer, name, None) for name in ("decision", "status_code", "body", "context_updates")}
    if fields["decision"] is None:
        return [getattr(answer, name, None) for name in ("user_id", "app_id", "claims")]
    headers = {name.lower(): value for name, value in dict(answer.headers or {}).items()}
    changing = {"x-ratelimit-reset", "retry-after", "x-cache-age", "x-cache-ttl"}
    is_block = fields.pop("decision") == "block"
    return is_block, fields["status_code"] if is_block else 0, fields["body"] or b"", {
        name: value for name, value in headers.items() if name not in changing and name[:2] == "x-"
    }, fields["context_updates"] or {}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_it_does_the_same_in_a_process_of_its_own(name: str) -> None:
    """Its hooks, its decisions, its bodies and headers, its state from hook to hook, its services called back."""
    module, _, kind = name.partition(":")
    local, remote = RecordingServices(), RecordingServices()
    with tempfile.TemporaryDirectory(prefix="s-") as made:
        folder = Path(made)
        source = f"from sluice.plugins.{module} import {kind}; from sluice.sdk import serve; serve({kind}())"
        script = write_script(folder / module, f'exec "{sys.executable}" -c "{source}"')
        async with running(f"python://sluice.plugins.{module}:{kind}", name, folder, local) as plugin:
            expected, described = await lived(plugin, local), plugin.described
        async with running(script, name, folder, remote) as plugin:
            assert set(plugin.handlers()) == set(described.hooks)
            assert plugin.described.handles_chunks == described.handles_chunks
            assert plugin.described.has_endpoints == described.has_endpoints
            assert await lived(plugin, remote) == expected
    assert len(await remote.kv.list()) == len(await local.kv.list())
