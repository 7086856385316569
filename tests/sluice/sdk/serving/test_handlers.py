"""Tests of ``sluice.sdk.serving.handlers``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.plugin_wire.rpc import CONFIG_PROVIDER, PLUGIN, Stub
from tests.sluice.sdk.serving.everything import Everything, Nothing
from tests.sluice.sdk.serving.harness import serving

DEFAULTS: dict[str, Any] = {
    "Initialize": {"success": True},
    "Ping": {"healthy": True},
    "Shutdown": {"success": True},
    "CloseSession": {"success": True},
    "OpenSession": {"success": True, "close_reason": pb.OpenSessionResponse.TIMEOUT},
    "ProcessPreAuth": {"modified": False, "block": False},
    "Authenticate": {"authenticated": False, "error_message": "plugin does not implement authentication"},
    "GetAppByCredential": {"success": False, "error_message": "plugin does not implement authentication"},
    "GetUserByCredential": {"success": False, "error_message": "plugin does not implement authentication"},
    "ProcessPostAuth": {"modified": False, "block": False},
    "OnBeforeWriteHeaders": {"modified": False},
    "OnBeforeWrite": {"modified": False},
    "OnStreamComplete": {"handled": False},
    "HandleProxyLog": {"success": True, "handled": False},
    "HandleAnalytics": {"success": True, "handled": False},
    "HandleBudgetUsage": {"success": True, "handled": False},
    "AcceptEdgePayload": {"success": True, "handled": False},
    "GetEndpointRegistrations": {"registrations": []},
    "HandleEndpointRequest": {"status_code": 501},
    "GetConfigSchema": {"success": True},
    "GetManifest": {"success": False},
    "GetAsset": {"success": False},
    "ListAssets": {"success": True},
    "Call": {"success": False},
    "PortalCall": {"success": False},
    "GetObjectHookRegistrations": {"registrations": []},
    "HandleObjectHook": {"allow_operation": True, "modified": False},
    "ExecuteScheduledTask": {"success": False},
    "GetResourceTypeRegistrations": {"registrations": []},
    "ListResourceInstances": {"success": False},
    "GetResourceInstance": {"success": False},
    "ValidateResourceSelection": {"valid": False},
    "CreateResourceInstance": {"success": False},
}
"""What a plugin without capabilities answers; hosts call all of these and take none for an error."""

STREAMS = {"HandleAgentMessage", "HandleEndpointRequestStream"}


def test_every_method_of_the_protocol_is_among_these() -> None:
    """So that none is left unanswered, or untested."""
    assert set(DEFAULTS) | STREAMS == set(PLUGIN.methods)


async def test_a_plugin_without_capabilities_answers_everything(tmp_path: Path) -> None:
    """What leaves everything as it is, never an error: hosts ask every plugin everything."""
    async with serving(Nothing(), tmp_path) as plugin:
        for method, expected in DEFAULTS.items():
            request = PLUGIN.methods[method].request()
            if method == "OpenSession":
                request.timeout_ms = 10
            answer = await getattr(plugin.stub, method)(request)
            assert {name: getattr(answer, name) for name in expected} == expected, method
        for method in STREAMS:
            answers = [each async for each in getattr(plugin.stub, method)(PLUGIN.methods[method].request())]
            assert len(answers) == 1


async def test_garbage_fails_its_call_alone(tmp_path: Path) -> None:
    """Bytes that are no message are that call's failure; the next call is answered."""
    async with serving(Everything(), tmp_path) as plugin:
        for method in DEFAULTS:
            with pytest.raises(grpc.aio.AioRpcError, match="Wire format was corrupt"):
                await plugin.channel.unary_unary(f"/plugin.PluginService/{method}")(b"\xff\xff\xff\xff")
        assert (await plugin.stub.Ping(pb.PingRequest(timestamp=5))).timestamp == 5


async def test_an_unknown_method_is_unimplemented(tmp_path: Path) -> None:
    """As of any server."""
    async with serving(Nothing(), tmp_path) as plugin:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await plugin.channel.unary_unary("/plugin.PluginService/Nonsense")(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_configuration_s_service_is_there_too(tmp_path: Path) -> None:
    """With the same schema and manifest."""
    async with serving(Everything(), tmp_path) as plugin:
        config: Any = Stub(plugin.channel, CONFIG_PROVIDER)
        requests = {name: method.request() for name, method in CONFIG_PROVIDER.methods.items()}
        assert '"greeting"' in (await config.GetConfigSchema(requests["GetConfigSchema"])).schema_json
        assert (await config.GetManifest(requests["GetManifest"])).manifest_json == '{"id":"everything"}'
        assert (await config.Ping(requests["Ping"])).healthy
