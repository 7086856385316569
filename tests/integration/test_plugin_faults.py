"""Plugins that are killed, hang, lie, are too slow or cannot be loaded: one exchange is theirs, the gateway is not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio

from tests.go_build import GoPlugins
from tests.integration.managing import made
from tests.integration.plugin_gateway import (
    SECONDS,
    SEED_PLUGINS,
    Edge,
    is_alive,
    open_edge,
)
from tests.integration.waiting import until_found

HANG_SECONDS = 4.0
"""Long beside what a busy machine makes the others wait: theirs is the same deadline."""

MISBEHAVES = str(SEED_PLUGINS / "misbehaves.py")
LIMIT = 4 << 20
GONE = ("exited", "connection was lost")
"""Which of the two is seen first is chance."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="edge")
async def _edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with open_edge(tmp_path_factory.mktemp("faults"), "plugin-faults") as edge:
        yield edge


async def unified(edge: Edge, go_plugins: GoPlugins, **values: Any) -> int:
    """The plugin in Go that does what a request's ``x-misbehave`` says."""
    found = await edge.plugin(edge.install(go_plugins.unified), name="go", hook_type="post_auth", **values)
    await edge.instance(found)
    return found


async def assert_failed(edge: Edge, plugin_id: int, answer: httpx.Response, *reasons: str) -> None:
    """The client hears which plugin it was; the event has why: one of ``reasons``."""
    slug = await edge.slug(plugin_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "plugin_failed"), answer.text
    assert answer.json()["error"]["message"] == f"plugin '{slug}' failed"
    event = await edge.proxy_log(answer)
    assert (event["outcome"], event["error_kind"]) == ("plugin_failed", "plugin_failed")
    assert slug in event["error_message"] or [slug] == [each["plugin"] for each in event["plugins"]]
    assert any(reason in event["error_message"] for reason in reasons), event["error_message"]
    assert event["plugins"][-1]["decision"] == "failed"


async def test_a_process_that_is_killed_in_mid_call(edge: Edge, go_plugins: GoPlugins) -> None:
    """Its exchange fails at once, by name, and another process serves the next ones."""
    found = await unified(edge, go_plugins, timeout_ms=60_000)
    target = await edge.target(found)
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(target.ask(x_misbehave="hang"))

        async def is_asked() -> bool:
            return bool((await edge.instance(found))["under_way"])

        await until_found(is_asked, SECONDS, "the call under way")
        before = await edge.instance(found)
        os.kill(before["pid"], signal.SIGKILL)
    await assert_failed(edge, found, asking.result(), "ended by SIGKILL", "connection was lost")

    async def restarted() -> dict[str, Any]:
        now = await edge.instance(found)
        return now if now["restarts"] else {}

    now = await until_found(restarted, SECONDS, "another process")
    assert now["pid"] != before["pid"]
    answer = await target.ask()
    assert (answer.status_code, edge.seen(answer).header("x-go-app")) == (200, str(target.app_id))
    assert not is_alive(before["pid"])


@pytest.mark.parametrize(
    ("how", "reason"), [("exit", GONE), ("panic", GONE), ("error", ("it does not work",)), ("huge", ("larger",))]
)
async def test_a_process_that_fails(how: str, reason: tuple[str, ...], edge: Edge, go_plugins: GoPlugins) -> None:
    """Ends, panics, refuses or answers 100 MiB: its exchange is told so, and the next one is served."""
    found = await unified(edge, go_plugins, timeout_ms=10_000)
    target = await edge.target(found)
    await assert_failed(edge, found, await target.ask(x_misbehave=how), *reason)
    await edge.instance(found)
    assert (await target.ask()).status_code == 200


@pytest.mark.parametrize(("how", "reason"), [("error", "RuntimeError"), ("lie", "str")])
async def test_a_plugin_in_the_gateway_s_process_that_fails(how: str, reason: str, edge: Edge) -> None:
    """Raises, or answers what is no answer."""
    found = await edge.plugin(MISBEHAVES)
    target = await edge.target(found)
    await assert_failed(edge, found, await target.ask(x_misbehave=how), reason)
    assert (await target.ask()).status_code == 200


async def test_a_process_that_floods_its_log(edge: Edge, go_plugins: GoPlugins) -> None:
    """Its exchange is served, and what is logged of it is bounded."""
    found = await unified(edge, go_plugins, timeout_ms=20_000)
    answer = await (await edge.target(found)).ask(x_misbehave="flood")
    assert answer.status_code == 200, answer.text
    slug = await edge.slug(found)
    text = edge.stack.gateway.log_path.read_text()
    assert 0 < sum("a line of a flood" in line and slug in line for line in text.splitlines()) < 2_000


@pytest.mark.parametrize("how", ["in_process", "process"])
async def test_a_plugin_that_hangs(how: str, edge: Edge, go_plugins: GoPlugins) -> None:
    """Its exchanges have its deadline; others of the same plugin, and of other LLMs, wait for nothing."""
    milliseconds = int(HANG_SECONDS * 1000)
    if how == "process":
        found = await unified(edge, go_plugins, timeout_ms=milliseconds)
    else:
        found = await edge.plugin(MISBEHAVES, timeout_ms=milliseconds)
    target, other = await edge.target(found), await edge.target()
    assert (await target.ask()).status_code == 200
    took: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        hanging = [tasks.create_task(timed(lambda: target.ask(x_misbehave="hang"))) for _ in range(8)]
        while not any(task.done() for task in hanging):
            for each in (target, other):
                seconds, answer = await timed(each.ask)
                assert answer.status_code == 200
                took.append(seconds)
    for seconds, _ in map(asyncio.Task.result, hanging):
        assert HANG_SECONDS * 0.9 <= seconds < HANG_SECONDS + 10
    await assert_failed(edge, found, hanging[0].result()[1], f"no answer within {HANG_SECONDS:g} s")
    assert len(took) >= 8
    assert statistics.median(took) < HANG_SECONDS / 4
    assert max(took) < HANG_SECONDS * 0.9


async def timed(ask: Callable[[], Any]) -> tuple[float, httpx.Response]:
    """How long it took."""
    started = time.monotonic()
    answer: httpx.Response = await ask()
    return time.monotonic() - started, answer


async def test_a_body_that_a_process_cannot_be_given(edge: Edge, go_plugins: GoPlugins) -> None:
    """413 that names plugin and limit; or it passes by the plugin, whole, and the event says so."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * LIMIT}]}).encode()
    found = await unified(edge, go_plugins)
    slug = await edge.slug(found)
    refused = await (await edge.target(found)).ask(body=body)
    assert refused.status_code == 413
    assert slug in refused.json()["error"]["message"]
    assert str(LIMIT) in refused.json()["error"]["message"]
    skipping = await unified(edge, go_plugins, on_oversize="skip")
    answer = await (await edge.target(skipping)).ask(body=body)
    assert answer.status_code == 200, answer.text
    seen = edge.seen(answer)
    assert (seen.body == body, seen.header("x-go-app")) == (True, None)
    event = await edge.proxy_log(answer)
    assert [each["decision"] for each in event["plugins"]] == ["skipped"]


async def test_a_block_in_the_middle_of_a_stream(edge: Edge) -> None:
    """The official SDK has what came before it, and then an error rather than an end."""
    config = {"patterns": ["forbidden phrase"], "block_message": "not here"}
    command = "python://sluice.plugins.response_firewall:ResponseFirewall"
    target = await edge.target(await edge.plugin(command, name="filter", config=config, hook_type="on_response"))
    client = openai.AsyncOpenAI(base_url=target.base_url, api_key=target.token, max_retries=0)
    received = ""

    async def read(script: str) -> None:
        nonlocal received
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True, extra_headers={"x-mock": script}
        )
        async for chunk in stream:
            received += chunk.choices[0].delta.content or "" if chunk.choices else ""

    async with client:
        await read("chunks=40;text=harmless,")
        assert received == "harmless," * 40
        received = ""
        # The phrase is cut across pieces; by then a part of the stream is out.
        with pytest.raises(openai.APIError, match="not here"):
            await read("chunks=40;pace_ms=2;text=a very long way to the forbidden phrase,")
    assert "forbidden" not in received


def refusals(edge: Edge, go_plugins: GoPlugins) -> dict[str, tuple[dict[str, Any], str]]:
    """What nobody can run, and what is said of it."""
    folder = edge.folder
    plain, link, silent, outside = folder / "plain", folder / "link", folder / "silent", edge.stack.folder / "outside"
    plain.write_text("#!/bin/sh\n")
    link.symlink_to(edge.install(go_plugins.unified).removeprefix("file://"))
    for script, text in ((silent, "#!/bin/sh\necho hello\n"), (outside, "#!/bin/sh\n")):
        script.write_text(text)
        script.chmod(0o755)
    return {
        "checksum": (
            {"command": edge.install(go_plugins.unified), "checksum": hashlib.sha256(b"").hexdigest()},
            "SHA-256",
        ),
        "missing": ({"command": f"file://{folder}/nowhere"}, "cannot be found"),
        "no_execute_bit": ({"command": f"file://{plain}"}, "may not be executed"),
        "symlink": ({"command": f"file://{link}"}, "is a symbolic link"),
        "outside": ({"command": f"file://{outside}"}, "allowed_directories"),
        "handshake": ({"command": f"file://{silent}"}, "hello"),
        "detour": ({"command": f"file://{folder}/../x"}, ".."),
        "module": ({"command": "python://no.such.module:Plugin"}, "no.such.module"),
    }


async def test_plugins_that_cannot_be_loaded(edge: Edge, go_plugins: GoPlugins) -> None:
    """Their health and their test say why; exchanges that need one are refused by its name; others are served."""
    other, failed = await edge.target(), 0
    for name, (values, reason) in refusals(edge, go_plugins).items():
        found = await edge.plugin(**values, name=name.replace("_", "-"), hook_type="post_auth")
        assert reason in await edge.error_of(found), name
        tested = (await edge.manager.post(f"/plugins/{found}/test")).json()["data"]
        assert (tested["status"], reason in tested["error"]) == ("failed", True), (name, tested)
        refused = await (await edge.target(found)).ask()
        assert (refused.status_code, await edge.slug(found) in refused.text) == (502, True), (name, refused.text)
        assert (await other.ask()).status_code == 200
        failed += 1

    async def all_failed() -> bool:  # one that is being tried again is loading
        summary = (await edge.manager.get("/plugins/health")).json()["data"]["summary"]
        return bool(summary["failed_plugins"] == failed and not summary["all_ready"])

    await until_found(all_failed, SECONDS, "all of them failed")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"command": "my-plugin"}, "is no plugin"),
        ({"command": "file://relative/path"}, "is no plugin"),
        ({"command": "file:///x", "hook_types": ["no_such_hook"]}, "hook_types"),
        ({"command": "file:///x", "service_scopes": ["everything"]}, "service_scopes"),
        ({"command": "file:///x", "checksum": "abc"}, "checksum"),
        ({"command": "file:///x", "timeout_ms": 0}, "timeout_ms"),
        ({"command": "python://a:B", "on_stream": "ignore"}, "on_stream"),
    ],
)
async def test_registrations_that_cannot_be(values: dict[str, Any], said: str, edge: Edge) -> None:
    """Refused by REST, by the field's name."""
    answer = await edge.manager.post("/plugins", json={"name": edge.unused("wrong"), **values})
    assert answer.status_code == 400, answer.text
    assert said in answer.text


async def test_a_slug_that_is_taken(edge: Edge) -> None:
    """Whoever has it keeps it, with its endpoints."""
    command = "python://sluice.plugins.echo_endpoint:EchoEndpoint"
    first = await made(edge.manager, "/plugins", name="Echo", slug="echo", command=command)
    answer = await edge.manager.post("/plugins", json={"name": "Other", "slug": "echo", "command": command})
    assert (answer.status_code, "echo" in answer.text) == (409, True)
    await edge.instance(first["id"])
    assert (await edge.client.get("/plugins/echo/")).status_code != 404
