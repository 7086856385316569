"""From a registration to a plugin in its own process: Go of both generations, Python made with ``serve``, a bad one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest

from sluice.plugin_host.errors import OversizeError, PluginLoadError
from sluice.plugin_host.opening import open_plugin
from sluice.plugin_host.processes.faults import CallFailed, Refused
from sluice.plugin_host.running import RunningPlugin
from sluice.sdk.fakes import RecordingServices
from sluice.sdk.messages import PluginResponse
from sluice.sdk.records import App
from sluice.sdk.testing import (
    Known,
    make_auth_request,
    make_context,
    make_edge_payload,
    make_endpoint_request,
    make_proxy_log,
    make_request,
    make_response,
    make_stream_complete,
)
from tests.go_build import GoPlugins
from tests.sluice.plugin_host.processes.peers import (
    make_opening,
    make_registration,
    printed,
    serving,
    until,
    willing,
    write_script,
)

CONTEXT = make_context(app_id=1, request_id="request-9")
Opening = Callable[..., Awaitable[RunningPlugin]]


@pytest.fixture
def services() -> RecordingServices:
    """That know one app."""
    return RecordingServices(Known(apps=[App(id=1, name="first")]))


@pytest.fixture
async def opened(tmp_path: Path, services: RecordingServices) -> AsyncIterator[Opening]:
    """Opens, initialises and keeps executables; all are shut down in the end."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:

        async def opening(path: Path, **fields: Any) -> RunningPlugin:
            plugin = await open_plugin(make_registration(path, **fields), make_opening(tmp_path, services))
            stack.push_async_callback(plugin.shutdown, CONTEXT)
            await plugin.initialize(CONTEXT)
            keeping = group.create_task(plugin.keep())
            stack.callback(keeping.cancel)
            return plugin

        yield opening
        await stack.aclose()


async def test_a_unified_go_plugin_serves_every_hook(opened: Opening, go_plugins: GoPlugins) -> None:
    """As its manifest says, with its own defaults applied and its answers merged as the protocol means them."""
    checksum = hashlib.sha256(go_plugins.unified.read_bytes()).hexdigest()
    plugin = await opened(go_plugins.unified, hook_types=(), checksum=checksum)
    described = plugin.described
    assert (described.generation, described.version, described.where) == ("unified", "1.2.3", "process")
    assert (described.has_endpoints, described.receives_payloads, len(described.collects)) == (True, True, 3)
    hooks = plugin.handlers()
    assert set(hooks) == {"post_auth", "response_headers", "response_body", "stream_complete"}
    answer = await hooks["post_auth"](CONTEXT, make_request(b'{"model":"m"}', headers={"a": "1"}, app_id=1))
    assert dict(answer.headers) == {"a": "1", "x-go-value": "go", "x-go-app": "1"}
    assert json.loads(answer.body) == {"model": "m", "user": "go"}
    assert answer.context_updates == {"go": "request-9"}
    headers = await hooks["response_headers"](CONTEXT, make_response(b""))
    assert headers.headers["x-go-response"] == "yes"
    assert (await hooks["response_body"](CONTEXT, make_response(b"my secret"))).body == b"my ******"
    assert (await hooks["stream_complete"](CONTEXT, make_stream_complete(b""))).cached


async def test_a_go_plugin_authenticates(opened: Opening, go_plugins: GoPlugins) -> None:
    """And blocks before anybody is known."""
    plugin = await opened(go_plugins.unified, hook_types=("auth", "pre_auth"))
    assert plugin.described.authenticates
    accepted = await plugin.handlers()["auth"](CONTEXT, make_auth_request("go-secret"))
    assert (accepted.authenticated, accepted.user_id, accepted.app_id) == (True, "gopher", None)
    rejected = await plugin.handlers()["auth"](CONTEXT, make_auth_request("other"))
    assert (rejected.authenticated, rejected.message) == (False, "unknown to Go")
    app = await plugin.get_app_by_credential(CONTEXT, "go-secret")
    assert getattr(app, "id", app) == 1
    user = await plugin.get_user_by_credential(CONTEXT, "go-secret")
    assert user is not None
    assert user.email == "g@example.org"
    blocked = await plugin.handlers()["pre_auth"](CONTEXT, make_request(headers={"x-block": "1"}))
    assert (blocked.decision, blocked.status_code, blocked.headers["x-why"]) == ("block", 451, "pre-auth")
    assert await plugin.handlers()["pre_auth"](CONTEXT, make_request()) == PluginResponse.allow()


async def test_a_go_plugin_s_endpoints(opened: Opening, go_plugins: GoPlugins, services: RecordingServices) -> None:
    """Unary and streamed; a client that leaves cancels the stream at the plugin."""
    plugin = await opened(go_plugins.unified)
    registrations = await plugin.get_endpoint_registrations()
    assert [(each.path, each.stream_response) for each in registrations] == [
        ("/echo", False),
        ("/services", False),
        ("/stream", True),
    ]
    request = make_endpoint_request("/echo", method="POST", body=b"hello")
    answer = await plugin.handle_endpoint_request(CONTEXT, request)
    assert (answer.status_code, answer.body) == (201, b"POST /plugins/test/echo hello")
    stream = make_endpoint_request("/stream", method="GET")
    chunks = [chunk async for chunk in plugin.handle_endpoint_request_stream(CONTEXT, stream)]
    assert [chunk.kind for chunk in chunks] == ["headers", "body", "body", "body", "done"]
    endless = plugin.handle_endpoint_request_stream(
        CONTEXT, make_endpoint_request("/stream", method="GET", query="endless")
    )
    async with aclosing(endless) as pieces:  # type: ignore[type-var]  # an async generator
        for _ in range(10):
            await anext(pieces)
    await until(lambda: "stream was cancelled" in printed(services))


SCOPES = ("kv.readwrite", "apps.read", "llms.read", "control.send")


async def test_a_go_plugin_calls_its_services_back(
    opened: Opening, go_plugins: GoPlugins, services: RecordingServices
) -> None:
    """Those that its registration grants; it finds them whenever it first needs them, and hears its messages."""
    plugin = await opened(go_plugins.unified, service_scopes=SCOPES)
    await until(lambda: "session is ready" in printed(services))
    request = make_endpoint_request("/services", method="POST")
    answer = json.loads((await plugin.handle_endpoint_request(CONTEXT, request)).body)
    assert answer["WritePluginKV"] == {"created": True}
    assert answer["ReadPluginKV"] == {"value": "dg=="}
    assert answer["DeletePluginKV"] == {"deleted": True}
    assert [app["name"] for app in answer["ListApps"]["apps"]] == ["first"]
    assert answer["GetApp"]["app"]["name"] == "first"
    assert answer["QueueControlPayload"]["success"]
    assert services.sent[0].payload == b"hello"
    assert services.sent[0].correlation_id == "c-1"
    assert answer["Publish"]["success"]
    for method, scope in (("GetBudgetStatus", "budget.read"), ("ValidateCredential", "credentials.validate")):
        assert "PermissionDenied" in answer[method]["error"]
        assert scope in answer[method]["error"]


async def test_a_go_plugin_collects_and_receives(opened: Opening, go_plugins: GoPlugins, tmp_path: Path) -> None:
    """Events, and what was sent from the edge."""
    plugin = await opened(
        go_plugins.unified, hook_types=("data_collection",), config={"collect_to": str(tmp_path / "log")}
    )
    answer = await plugin.handle_proxy_log(CONTEXT, make_proxy_log(request_id="request-5", app_id=3))
    assert answer is not None
    assert (answer.success, answer.handled) == (True, True)
    assert (tmp_path / "log").read_text() == "proxy_log request-5 3\n"
    assert await plugin.accept_edge_payload(CONTEXT, make_edge_payload(b"take this"))
    with pytest.raises(Exception, match="not this one"):
        await plugin.accept_edge_payload(CONTEXT, make_edge_payload(b"refuse"))


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("error", "INTERNAL: it does not work"),
        ("huge", "RESOURCE_EXHAUSTED: .*larger than max"),
        ("exit", "connection was lost|its process exited with status 2"),
        ("panic", "connection was lost|its process exited with status 2"),
    ],
)
async def test_a_go_plugin_that_misbehaves_fails_its_call(
    opened: Opening, go_plugins: GoPlugins, how: str, problem: str
) -> None:
    """And goes on, if need be in another process."""
    post_auth = (await opened(go_plugins.unified)).handlers()["post_auth"]
    with pytest.raises(CallFailed, match=problem):
        await post_auth(CONTEXT, make_request(headers={"x-misbehave": how}))
    async with asyncio.timeout(10):
        while True:
            try:
                assert (await post_auth(CONTEXT, make_request())).decision == "modify"
            except AssertionError:
                raise
            except Exception:  # noqa: BLE001 - not up again yet
                await asyncio.sleep(0.02)
            else:
                break


async def test_a_go_plugin_may_answer_more_than_it_may_be_given(opened: Opening, go_plugins: GoPlugins) -> None:
    """8 MiB come back; 4 MiB are not sent."""
    post_auth = (await opened(go_plugins.unified)).handlers()["post_auth"]
    answer = await post_auth(CONTEXT, make_request(headers={"x-misbehave": "large"}))
    assert len(answer.body) == 8 << 20
    with pytest.raises(OversizeError) as caught:
        await post_auth(CONTEXT, make_request(b"x" * (5 << 20)))
    assert caught.value.limit_bytes == 4 << 20
    assert (await post_auth(CONTEXT, make_request(b"x" * (3 << 20)))).decision == "modify"


async def test_a_go_plugin_that_floods_its_log_is_served_all_the_same(
    opened: Opening, go_plugins: GoPlugins, services: RecordingServices
) -> None:
    """All is drained at a pace that leaves the processor to others, little is logged."""
    post_auth = (await opened(go_plugins.unified)).handlers()["post_auth"]
    began, processor = time.monotonic(), time.process_time()
    for _ in range(2):  # the first fits into buffers
        answer = await asyncio.wait_for(post_auth(CONTEXT, make_request(headers={"x-misbehave": "flood"})), 20)
        assert answer.decision == "modify"
    assert time.process_time() - processor < (time.monotonic() - began) / 2
    assert len(printed(services)) < 1000


@pytest.mark.parametrize("hook", ["pre_auth", "post_auth"])
async def test_a_legacy_go_plugin_has_its_one_hook(opened: Opening, go_plugins: GoPlugins, hook: Any) -> None:
    """Everything else is absent, and that is no error."""
    plugin = await opened(go_plugins.legacy(hook), hook_types=(hook,))
    assert (plugin.described.generation, plugin.described.manifest) == ("legacy", None)
    answer = await plugin.handlers()[hook](CONTEXT, make_request(headers={"a": "1"}))
    assert dict(answer.headers) == {"a": "1", "x-legacy": hook}
    assert await plugin.get_endpoint_registrations() == ()
    assert await plugin.accept_edge_payload(CONTEXT, make_edge_payload(b"x")) is False
    await plugin.ping()


async def test_other_legacy_go_plugins(opened: Opening, go_plugins: GoPlugins) -> None:
    """One that authenticates, with an app id that is no number; one of responses; one that collects."""
    auth = await opened(go_plugins.legacy("auth"), hook_types=("auth",))
    accepted = await auth.handlers()["auth"](CONTEXT, make_auth_request("legacy-secret"))
    assert (accepted.authenticated, accepted.app_id) == (True, None)
    assert await auth.get_user_by_credential(CONTEXT, "legacy-secret") is None
    response = await opened(go_plugins.legacy("response"), hook_types=("response",))
    assert (await response.handlers()["response_body"](CONTEXT, make_response(b"x"))).body == b"legacy"
    assert (await response.handlers()["response_headers"](CONTEXT, make_response(b""))).decision == "allow"
    assert not (await response.handlers()["stream_complete"](CONTEXT, make_stream_complete(b""))).handled
    collector = await opened(go_plugins.legacy("data_collection"), hook_types=("data_collection",))
    answer = await collector.handle_proxy_log(CONTEXT, make_proxy_log())
    assert answer is not None
    assert answer.handled


async def test_a_legacy_plugin_needs_its_hooks_named(opened: Opening, go_plugins: GoPlugins) -> None:
    """It cannot say them itself."""
    with pytest.raises(PluginLoadError, match="name them in hook_types"):
        await opened(go_plugins.legacy("post_auth"), hook_types=())


async def test_configuration_is_checked_before_a_plugin_gets_it(opened: Opening, go_plugins: GoPlugins) -> None:
    """Against its own schema; what it refuses itself is said in its words."""
    with pytest.raises(PluginLoadError, match=r"config\.limit is string, not integer"):
        await opened(go_plugins.unified, config={"limit": "many"})
    with pytest.raises(Refused, match=r"^not with me$"):
        await opened(go_plugins.unified, config={"refuse": "not with me"})


SERVED = """
from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler, serve

class Served(BasePlugin, PostAuthHandler):
    name = "served"
    version = "4.0.0"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        await ctx.services.kv.write("seen", request.body)
        return PluginResponse.modify(headers=request.headers | {"x-runtime": ctx.runtime, "x-app": str(ctx.app_id)})

if __name__ == "__main__":
    serve(Served())
"""


async def test_a_python_plugin_serves_too(opened: Opening, tmp_path: Path, services: RecordingServices) -> None:
    """It says itself what it can do, and its services are the host's."""
    (tmp_path / "served.py").write_text(SERVED)
    path = write_script(tmp_path / "served", f'exec "{sys.executable}" "{tmp_path}/served.py"')
    plugin = await opened(path, hook_types=(), service_scopes=("kv.readwrite",))
    assert plugin.described.hooks == ("post_auth",)
    assert plugin.described.version == "4.0.0"
    answer = await plugin.handlers()["post_auth"](CONTEXT, make_request(b"body", headers={"a": "1"}))
    assert dict(answer.headers) == {"a": "1", "x-runtime": "gateway", "x-app": "1"}
    assert await services.kv.read("seen") == b"body"


async def test_a_running_plugin_is_attached_to(opened: Opening, tmp_path: Path) -> None:
    """By its address."""
    async with serving(willing()) as port:
        plugin = await open_plugin(make_registration(f"grpc://127.0.0.1:{port}"), make_opening(tmp_path))
        await plugin.initialize(CONTEXT)
        assert (plugin.described.where, plugin.described.pid) == ("attached", None)
        assert plugin.described.hooks == ("post_auth",)
        await plugin.shutdown(CONTEXT)


async def test_a_wrong_checksum_refuses_before_anything_runs(opened: Opening, tmp_path: Path) -> None:
    """Both sums are named."""
    path = write_script(tmp_path / "plugin", f"touch {tmp_path}/ran")
    with pytest.raises(PluginLoadError, match=f"not its checksum {'a' * 64}"):
        await opened(path, checksum="a" * 64)
    assert not (tmp_path / "ran").exists()


async def test_a_plugin_that_cannot_say_what_it_is_is_ended(tmp_path: Path) -> None:
    """It listens and answers nonsense."""
    async with serving(willing(GetManifest=b"\xff" * 20)) as port:
        with pytest.raises(PluginLoadError, match="does not say what it is: GetManifest: 20 bytes that are no"):
            await open_plugin(make_registration(f"grpc://127.0.0.1:{port}"), make_opening(tmp_path))
