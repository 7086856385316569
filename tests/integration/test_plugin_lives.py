"""Plugins that come and go while a gateway serves: replaced, deleted, attached, ended; no exchange is lost by it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio

from sluice.dev.servers.ports import LOOPBACK, free_port
from tests.go_build import GoPlugins
from tests.integration.asks import LLM, TOKEN
from tests.integration.managing import changed
from tests.integration.plugin_gateway import (
    EXAMPLES,
    PROMPT,
    ROOT,
    SECONDS,
    SEED_PLUGINS,
    Edge,
    install,
    is_alive,
    open_edge,
    plugin_folder,
    write_executable,
)
from tests.integration.service import descendants
from tests.integration.stack import Stack
from tests.integration.waiting import until, until_found

MISBEHAVES = SEED_PLUGINS / "misbehaves.py"
FIREWALL = ROOT / "sluice" / "plugins" / "response_firewall.py"
NOWHERE = f"http://{LOOPBACK}:1"
BOTH = pytest.mark.parametrize("how", ["in_process", "process"])

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="edge")
async def _edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with open_edge(tmp_path_factory.mktemp("lives"), "plugin-lives") as edge:
        yield edge


@pytest.mark.parametrize("how", ["in_process", "process"])
async def test_a_plugin_that_is_replaced_under_load(how: str, edge: Edge, go_plugins: GoPlugins) -> None:
    """Five new configurations while twelve clients ask: every exchange is answered, and the last one is at work."""
    if how == "process":
        found = await edge.plugin(edge.install(go_plugins.unified), hook_type="post_auth", config={"value": "0"})
    else:
        found = await edge.plugin(str(EXAMPLES / "config_schema.py"), config={"api_key": "k"})
    teller = await edge.plugin(str(SEED_PLUGINS / "tell_metadata.py"))
    target = await edge.target(found, teller)
    stop, answers = asyncio.Event(), list[httpx.Response]()

    async def go_on() -> None:
        while not stop.is_set():
            answers.append(await target.ask("delay_ms=5"))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(12):
            tasks.create_task(go_on())
        for number in range(1, 6):
            config = {"value": str(number)} if how == "process" else {"api_key": "k", "batch_size": number}
            await changed(edge.manager, f"/plugins/{found}", config=config)
            so_far = len(answers)
            await until(lambda so_far=so_far: len(answers) > so_far + 24, SECONDS, "traffic")  # type: ignore[misc]
        stop.set()
    assert {answer.status_code for answer in answers} == {200}
    last = edge.seen(await target.ask())
    if how == "process":
        assert last.header("x-go-value") == "5"
    else:
        assert json.loads(last.header("x-metadata") or "") == {"batch_size": "5"}


@BOTH
async def test_a_filter_that_is_replaced_in_the_middle_of_a_stream(how: str, edge: Edge) -> None:
    """A stream keeps the filter that it began with, the next one has the new one; then the old is gone."""
    command = edge.serve(FIREWALL, "ResponseFirewall") if how == "process" else str(FIREWALL)
    found = await edge.plugin(command, config={"patterns": ["something else"]}, hook_type="on_response")
    before = await edge.instance(found)
    target = await edge.target(found)
    script = {"x-mock": "chunks=40;pace_ms=15;text=harmless-"}
    client = openai.AsyncOpenAI(base_url=target.base_url, api_key=target.token, max_retries=0)

    async def begin() -> Any:
        return await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True, extra_headers=script
        )

    async with client:
        stream = await begin()
        received = [await anext(stream)]
        await changed(edge.manager, f"/plugins/{found}", config={"patterns": ["harmless-harmless"]})
        assert len(received) < 40
        received += [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in received if chunk.choices) == "harmless-" * 40
        with pytest.raises(openai.APIError, match="not allowed here"):
            _ = [chunk async for chunk in await begin()]
    if how == "process":
        await until(lambda: not is_alive(before["pid"]), SECONDS, "the process before it gone")


async def test_a_plugin_that_is_deleted_under_load(edge: Edge, go_plugins: GoPlugins) -> None:
    """Exchanges under way end as they began; it is detached, and its process is gone behind them."""
    found = await edge.plugin(edge.install(go_plugins.unified), name="go", hook_type="post_auth")
    before = await edge.instance(found)
    target = await edge.target(found)
    served = edge.vendor.served_count
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(target.ask("delay_ms=300")) for _ in range(8)]
        await until(lambda: edge.vendor.served_count >= served + 8, SECONDS, "all at the vendor")
        assert (await edge.manager.delete(f"/plugins/{found}")).status_code == 200
    answers = [task.result() for task in asking]
    assert {answer.status_code for answer in answers} == {200}
    assert {edge.seen(answer).header("x-go-app") for answer in answers} == {str(target.app_id)}
    answer = await target.ask()
    assert (answer.status_code, edge.seen(answer).header("x-go-app")) == (200, None)
    await until(lambda: not is_alive(before["pid"]), SECONDS, "its process gone")


async def test_a_plugin_that_somebody_else_runs(edge: Edge) -> None:
    """Attached by ``grpc://``: used while it is there, missed by name while it is not, found again by itself."""
    path, port = write_executable(edge.folder, EXAMPLES / "quick_start.py", "MyGatewayPlugin"), free_port()
    command = [str(path), "--address", f"{LOOPBACK}:{port}"]
    running = await asyncio.create_subprocess_exec(*command)
    try:
        found = await edge.plugin(f"grpc://{LOOPBACK}:{port}", name="attached", hook_type="post_auth")
        assert (await edge.instance(found))["where"] == "attached"
        target = await edge.target(found)
        assert edge.seen(await target.ask()).header("x-custom-header") == "gateway-plugin"
        running.kill()
        await running.wait()

        async def status() -> int:
            return (await target.ask()).status_code

        async def is_missed() -> bool:
            return await status() == 502

        async def is_back() -> bool:
            return await status() == 200

        await until_found(is_missed, SECONDS, "missed")
        running = await asyncio.create_subprocess_exec(*command)
        await until_found(is_back, SECONDS, "found again")
        assert edge.seen(await target.ask()).header("x-custom-header") == "gateway-plugin"
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


@BOTH
async def test_a_breaker_opens_and_closes(how: str, edge: Edge) -> None:
    """After its failures in a row nobody waits for the plugin; when it is well again it is asked again."""
    command = edge.serve(MISBEHAVES, "Misbehaves") if how == "process" else str(MISBEHAVES)
    found = await edge.plugin(command, timeout_ms=1000, breaker_failures=3, breaker_pause_seconds=5)
    await edge.instance(found)
    target = await edge.target(found)
    for _ in range(3):
        assert (await target.ask(x_misbehave="hang")).status_code == 502
    assert (await edge.instance(found))["breaker"] == "open"
    started = time.monotonic()
    assert (await target.ask(x_misbehave="hang")).status_code == 502
    assert time.monotonic() - started < 1.0, "whoever asks it waits for so long"

    async def is_well() -> bool:
        return (await target.ask()).status_code == 200

    await until_found(is_well, SECONDS, "asked again")
    now = await edge.instance(found)
    assert (now["breaker"], now["breaker_openings"]) == ("closed", 1)


async def test_a_plugin_whose_failure_lets_exchanges_pass(edge: Edge) -> None:
    """``on_failure: open``: served without it, and the event says that it failed."""
    found = await edge.plugin(str(MISBEHAVES), on_failure="open", timeout_ms=200)
    answer = await (await edge.target(found)).ask(x_misbehave="hang")
    assert (answer.status_code, edge.seen(answer).header("x-seen")) == (200, None)
    event = await edge.proxy_log(answer)
    assert (event["outcome"], [each["decision"] for each in event["plugins"]]) == ("ok", ["failed"])


async def test_files_of_a_plugin_s_folder_replace_nothing(edge: Edge) -> None:
    """Also where they are called as ours are: neither in the gateway's process nor in the plugin's own."""
    for name in ("schemas.py", "gateway.py", "collectors.py"):
        (edge.folder / name).write_text("raise RuntimeError('taken for ours')\n")
    beside = edge.folder / "quick.py"
    beside.write_text((EXAMPLES / "quick_start.py").read_text())
    for command in (str(beside), edge.serve(EXAMPLES / "quick_start.py", "MyGatewayPlugin")):
        target = await edge.target(await edge.plugin(command, hook_type="post_auth"))
        assert edge.seen(await target.ask()).header("x-custom-header") == "gateway-plugin"


async def test_a_gateway_ends_though_a_plugin_does_not(tmp_path: Path, unique_name: str) -> None:
    """One that hangs in a call and in its ``shutdown`` and does not hear SIGTERM is gone with it, in bounded time."""
    path = write_executable(plugin_folder(tmp_path), SEED_PLUGINS / "stubborn.py", "Stubborn")
    plugin = {"id": 1, "name": "stubborn", "command": f"file://{path}", "timeout_ms": 600_000}
    llm = {"id": 1, "slug": LLM, "base_url": NOWHERE, "plugins": ["stubborn"]}
    own = {"drain_timeout_seconds": 0.5, "shutdown_seconds": 0.5}
    stack = Stack(tmp_path, unique_name, settings={"gateway": own, "plugins": [plugin], "llms": [llm]})
    try:
        await stack.gateway.start()
        async with httpx.AsyncClient(base_url=stack.url, timeout=30) as client, asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(cut_off(client))
            await until(lambda: "hangs now" in stack.gateway.log_path.read_text(), SECONDS, "the plugin asked")
            left = processes(stack, path.name)
            started = time.monotonic()
            await stack.gateway.stop()
            assert time.monotonic() - started < 40
        assert asking.result() in {0, 502, 503}
        assert len(left) == 1
        assert not any(map(is_alive, left))
    finally:
        await stack.gateway.close()


async def cut_off(client: httpx.AsyncClient) -> int:
    """The status of an exchange; 0 where its connection is closed."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    try:
        return (await client.post(f"/llm/call/{LLM}/chat/completions", json=PROMPT, headers=headers)).status_code
    except httpx.TransportError:
        return 0


async def test_no_process_outlives_its_worker(tmp_path: Path, unique_name: str, go_plugins: GoPlugins) -> None:
    """Workers are killed, then the whole gateway: at once none of their plugins is left."""
    plugin = {"id": 1, "name": "go", "command": install(plugin_folder(tmp_path), go_plugins.unified)}
    llm = {"id": 1, "slug": LLM, "base_url": NOWHERE, "plugins": ["go"]}
    settings = {"plugins": [{**plugin, "hook_types": ["post_auth"]}], "llms": [llm]}
    stack = Stack(tmp_path, unique_name, workers=2, settings=settings)
    try:
        await stack.gateway.start()
        # the gateway is ready with its first worker
        await until(lambda: len(processes(stack, go_plugins.unified.name)) == 2, SECONDS, "a plugin of each worker")
        name, killed = min(stack.gateway.workers().items())
        before = processes(stack, go_plugins.unified.name)
        gone = processes(stack, go_plugins.unified.name, below=killed)
        assert (len(before), len(gone)) == (2, 1)
        os.kill(killed, signal.SIGKILL)
        await until(lambda: not is_alive(gone[0]), 5, "the plugin of a killed worker gone")

        def has_another() -> bool:
            worker = stack.gateway.workers().get(name, killed)
            return worker != killed and len(processes(stack, go_plugins.unified.name, below=worker)) == 1

        await until(has_another, SECONDS, "a worker and a plugin in their place")
        left = processes(stack, go_plugins.unified.name)
        assert len(left) == 2
        assert set(before) & set(left) == set(before) - set(gone)
        await stack.gateway.kill()
        await until(lambda: not any(map(is_alive, left)), 5, "the plugins of a killed gateway gone")
    finally:
        await stack.gateway.close()


def processes(stack: Stack, name: str, below: int = 0) -> list[int]:
    """Those of a plugin's executable, of a gateway or of one worker; before they are it, they are what starts it."""
    found = descendants(below or stack.gateway._process.pid)
    return [pid for pid in found if name in {Path(word).name for word in _words(pid)[:2]}]


def _words(pid: int) -> list[str]:
    """A process's executable and its first arguments."""
    try:
        exe = str(Path(f"/proc/{pid}/exe").readlink())
        return [exe, *Path(f"/proc/{pid}/cmdline").read_text().split("\0")[1:2]]
    except OSError:
        return []
