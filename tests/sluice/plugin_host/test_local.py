"""A plugin in this process is what its class says, behind the interface that all plugins have."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sluice.plugin_host import local
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.local import LocalPlugin, open_local
from sluice.plugin_host.registration import PluginRegistration
from sluice.sdk import (
    AuthHandler,
    BasePlugin,
    ConfigProvider,
    Context,
    CustomEndpointHandler,
    DataCollectionResponse,
    DataCollector,
    EdgePayload,
    EdgePayloadReceiver,
    EndpointChunk,
    EndpointRegistration,
    EndpointRequest,
    EndpointResponse,
    Headers,
    ManifestProvider,
    ResponseHandler,
    ResponseWriteResponse,
    ServiceUnavailable,
    SessionAware,
)
from sluice.sdk.testing import make_context
from tests.sluice.plugin_host.plugins import Limit

MANIFEST = {"id": "a", "version": "1", "name": "A", "capabilities": {"hooks": ["post_auth"]}}
REQUEST = EndpointRequest(method="GET", path="/plugins/a", headers=Headers())


class Everything(
    BasePlugin, AuthHandler, ResponseHandler, DataCollector, CustomEndpointHandler, EdgePayloadReceiver, SessionAware,
    ConfigProvider, ManifestProvider,
):  # fmt: skip
    """Has every capability, and remembers its life."""

    name = "everything"
    version = "2.0"
    description = "All of it."
    handles_chunks = True
    fails_at = ""

    def __init__(self) -> None:
        super().__init__()
        self.life: list[str] = []

    def lives(self, moment: str) -> None:
        self.life.append(moment)
        if moment == self.fails_at:
            raise ValueError(moment)

    async def initialize(self, ctx: Context, config: Any) -> None:
        self.lives(f"initialize {dict(config)}")

    async def on_session_ready(self, ctx: Context) -> None:
        self.lives("ready")

    async def on_session_closing(self, ctx: Context) -> None:
        self.lives("closing")

    async def shutdown(self, ctx: Context) -> None:
        self.lives("shutdown")

    async def handle_auth(self, ctx: Context, request: Any) -> Any:
        return None

    async def get_app_by_credential(self, ctx: Context, credential: str) -> int:
        return len(credential)

    async def on_before_write(self, ctx: Context, request: Any) -> ResponseWriteResponse:
        return ResponseWriteResponse.allow()

    async def handle_analytics(self, ctx: Context, analytics: Any) -> Any:
        return analytics

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        return [EndpointRegistration(path="/")]

    async def handle_endpoint_request(self, ctx: Context, request: EndpointRequest) -> EndpointResponse:
        return EndpointResponse(body=request.path.encode())

    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        return payload.payload == b"mine"

    def get_config_schema(self) -> bytes:
        return b'{"type": "object"}'

    def get_manifest(self) -> bytes:
        return json.dumps(MANIFEST).encode()


class Batches(BasePlugin, DataCollector):
    """Takes events by the frame."""

    async def handle_batch(self, ctx: Context, kind: str, frame: Any) -> Any:
        return (kind, frame)


def running(plugin: BasePlugin[Any], **config: Any) -> LocalPlugin:
    """A plugin that runs."""
    plugin.config = config
    return LocalPlugin(plugin)


def test_a_plugin_is_described_by_its_class() -> None:
    """All that a host decides by, without asking it anything more."""
    described = running(Everything()).described
    assert (described.name, described.version, described.description) == ("everything", "2.0", "All of it.")
    assert (described.where, described.pid, described.hooks) == ("in_process", None, ("auth", "response_body"))
    assert described.handles_chunks
    assert described.has_endpoints
    assert described.authenticates
    assert described.receives_payloads
    assert (set(described.collects), described.collects_batches) == ({"analytics"}, False)
    assert (described.config_schema, described.manifest) == ({"type": "object"}, MANIFEST)


def test_what_a_plugin_does_not_have_is_not_there() -> None:
    """A model is its schema; whoever takes batches takes every event."""
    described = running(Limit()).described
    flags = (described.handles_chunks, described.has_endpoints, described.authenticates, described.receives_payloads)
    assert (flags, described.collects, described.manifest) == ((False,) * 4, frozenset(), None)
    assert "max_body_bytes" in (described.config_schema or {})["properties"]
    batches = running(Batches()).described
    assert (sorted(batches.collects), batches.collects_batches) == (["analytics", "budget", "proxy_log"], True)
    assert batches.hooks == ()


def test_its_hooks_are_its_own_methods() -> None:
    """Nothing stands between the host and the plugin."""
    plugin = Everything()
    assert running(plugin).handlers() == {"auth": plugin.handle_auth, "response_body": plugin.on_before_write}


async def test_a_session_lasts_from_initialize_to_shutdown() -> None:
    """It is told once of each, between them and in this order."""
    plugin = Everything()
    alive = running(plugin, a=1)
    await alive.initialize(make_context())
    await alive.ping()
    await alive.keep()
    await alive.shutdown(make_context())
    assert plugin.life == ["initialize {'a': 1}", "ready", "closing", "shutdown"]
    assert alive.condition().status == "ready"


@pytest.mark.parametrize(
    ("fails_at", "life"),
    [
        ("initialize {}", ["initialize {}", "shutdown"]),
        ("ready", ["initialize {}", "ready", "closing", "shutdown"]),
        ("closing", ["initialize {}", "ready", "closing", "shutdown"]),
    ],
)
async def test_whatever_fails_it_is_shut_down(fails_at: str, life: list[str]) -> None:
    """A session that never began is not closed; a failure to close it is not the end's."""
    plugin = Everything()
    plugin.fails_at = fails_at
    alive = running(plugin)
    raised = []
    for step in (alive.initialize, alive.shutdown):
        try:
            await step(make_context())
        except ValueError as error:
            raised.append(str(error))
    assert (plugin.life, raised) == (life, [fails_at])


async def test_calls_reach_the_plugin() -> None:
    """Each by the method of its capability."""
    alive, context = running(Everything()), make_context()
    marker: Any = object()
    assert await alive.get_app_by_credential(context, "1234567") == 7
    assert await alive.get_user_by_credential(context, "x") is None
    assert [each.path for each in await alive.get_endpoint_registrations()] == ["/"]
    assert (await alive.handle_endpoint_request(context, REQUEST)).body == b"/plugins/a"
    chunks = [chunk async for chunk in alive.handle_endpoint_request_stream(context, REQUEST)]
    assert chunks == [EndpointChunk.error("not implemented", 501)]
    assert await alive.handle_analytics(context, marker) is marker
    nothing: Any = None
    assert (await alive.handle_proxy_log(context, nothing)) == DataCollectionResponse.passed()
    assert (await alive.handle_budget_usage(context, nothing)) == DataCollectionResponse.passed()
    assert await running(Batches()).handle_batch(context, "analytics", marker) == ("analytics", marker)
    assert await alive.accept_edge_payload(context, EdgePayload(b"mine"))
    assert not await alive.accept_edge_payload(context, EdgePayload(b"other"))


async def test_what_a_plugin_is_not_it_is_not_asked() -> None:
    """A call of a host that did not look is an error that names the plugin and what it is not."""
    alive, context = running(Limit("limit")), make_context()
    marker: Any = None
    assert await alive.get_endpoint_registrations() == ()
    for call in (
        alive.get_app_by_credential(context, ""), alive.get_user_by_credential(context, ""),
        alive.handle_endpoint_request(context, REQUEST), alive.handle_analytics(context, marker),
        alive.handle_proxy_log(context, marker), alive.handle_budget_usage(context, marker),
        alive.handle_batch(context, "a", marker), alive.accept_edge_payload(context, EdgePayload(b"")),
    ):  # fmt: skip
        with pytest.raises(ServiceUnavailable, match="plugin 'limit' is no "):
            await call
    with pytest.raises(ServiceUnavailable, match="is no CustomEndpointHandler"):
        alive.handle_endpoint_request_stream(context, REQUEST)


def registration(command: str, **values: Any) -> PluginRegistration:
    """A plugin of this process."""
    return PluginRegistration.model_validate({"id": 1, "name": "mine", "command": command, **values})


async def test_opening_makes_and_configures() -> None:
    """It is not initialised yet."""
    alive = await open_local(registration(f"python://{__name__}:Everything", config={"a": 1}), Path())
    assert isinstance(alive.plugin, Everything)
    assert (dict(alive.plugin.config), alive.plugin.life) == ({"a": 1}, [])


async def test_an_import_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile the loop goes on."""
    release = tmp_path / "release"
    waiting = f"import pathlib, time\nwhile not pathlib.Path({str(release)!r}).exists():\n    time.sleep(0.01)\n"
    (tmp_path / "slow.py").write_text(waiting)
    monkeypatch.setattr(local, "IMPORT_SECONDS", 0.02)
    with pytest.raises(PluginLoadError, match=r"plugin 'mine': its import took more than 0\.02 s"):
        await open_local(registration("slow.py"), tmp_path)
    with pytest.raises(PluginLoadError, match=r"an import of 'slow\.py' that was begun before has not ended"):
        await open_local(registration("slow.py"), tmp_path)
    release.touch()


SHADOWS = {
    "schemas.py": "raise SystemExit('the wrong schemas')",
    "gateway.py": "raise SystemExit('the wrong gateway')",
    "sluice.py": "raise SystemExit('the wrong sluice')",
    "structlog.py": "raise SystemExit('the wrong structlog')",
    "plugin.py": """
import schemas.events, gateway.snapshot, structlog
from sluice.sdk import BasePlugin, PluginResponse, PostAuthHandler

class Mine(BasePlugin, PostAuthHandler):
    async def handle_post_auth(self, ctx, request):
        return PluginResponse.block(418, schemas.events.__name__)
""",
}


LOADS = """
import asyncio
from pathlib import Path
from sluice.plugin_host.local import open_local
from sluice.plugin_host.registration import PluginRegistration

async def load(command):
    values = {"id": 1, "name": "mine", "command": command}
    alive = await open_local(PluginRegistration.model_validate(values), Path.cwd())
    return await alive.handlers()["post_auth"](None, None)

print(asyncio.run(load("plugin.py")).message)
"""


async def test_a_folder_of_names_of_ours_shadows_nothing(tmp_path: Path) -> None:
    """Neither for us nor for the plugin, in a process that was started in it and has imported nothing yet."""
    for name, text in SHADOWS.items():
        (tmp_path / name).write_text(text)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", LOADS, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await asyncio.wait_for(process.communicate(), 30)
    assert (out.decode().strip(), errors.decode()) == ("schemas.events", "")
