"""Tests of ``sluice.plugin_host.broker.calls``: everything is answered, and nothing without its scope."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from sluice.plugin_host.broker.calls import SCOPES
from sluice.plugin_wire import extensions_pb2, plugin_events_pb2
from sluice.plugin_wire import management_pb2 as pb
from sluice.plugin_wire.rpc import HOST_EXTENSIONS, MANAGEMENT, PLUGIN_EVENTS
from sluice.sdk.services import Scope
from tests.sluice.plugin_host.broker.asking import ALL_SCOPES, PLUGIN_ID, Asking, asking

SCOPED: list[tuple[str, Scope]] = [
    ("ListLLMs", "llms.read"),
    ("GetLLM", "llms.read"),
    ("ListApps", "apps.read"),
    ("GetApp", "apps.read"),
    ("GetBudgetStatus", "budget.read"),
    ("ListModelPrices", "pricing.read"),
    ("GetModelPrice", "pricing.read"),
    ("ValidateCredential", "credentials.validate"),
    ("WritePluginKV", "kv.readwrite"),
    ("ReadPluginKV", "kv.readwrite"),
    ("DeletePluginKV", "kv.readwrite"),
    ("ListKeys", "kv.readwrite"),
    ("QueueControlPayload", "control.send"),
]
"""Written down a second time, so that a mistake in the table shows."""

FREE = ["GetLicenseInfo", "Publish", "Subscribe", "Unsubscribe"]


def _stub(host: Asking, method: str) -> Any:
    found = [stub for stub in (host.management, host.events, host.extensions) if method in vars(stub)]
    return getattr(found[0], method)


def _request(method: str, scope: str = "") -> Any:
    """One that claims a scope, as the protocol has it."""
    if method == "ListKeys":
        return extensions_pb2.ListKeysRequest(plugin_id=PLUGIN_ID, method_scope=scope)
    context = pb.PluginContext(plugin_id=PLUGIN_ID, method_scope=scope)
    return getattr(pb, f"{method}Request")(context=context)


def test_every_method_of_the_protocol_has_its_scope_or_needs_none() -> None:
    """The table is complete, and names nothing else."""
    services = (MANAGEMENT, PLUGIN_EVENTS, HOST_EXTENSIONS)
    assert set(SCOPES) == {method for service in services for method in service.methods}
    assert dict(SCOPES) == {**dict(SCOPED), **dict.fromkeys(FREE)}


@pytest.mark.parametrize(("method", "scope"), SCOPED)
async def test_without_its_scope_a_call_is_refused_whatever_it_claims(folder: Path, method: str, scope: Scope) -> None:
    """Having all others does not help, nor does saying that one is needed that is granted; nothing is asked."""
    others = [each for each in ALL_SCOPES if each != scope]
    async with asking(folder, others) as host:
        for claimed in ("", scope, others[0], "everything"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _stub(host, method)(_request(method, claimed))
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert scope in caught.value.details()
            assert "service_scopes" in caught.value.details()
        assert host.gateway.asked == []


@pytest.mark.parametrize(("method", "scope"), SCOPED)
async def test_with_its_scope_alone_a_call_is_answered(folder: Path, method: str, scope: Scope) -> None:
    """Whatever else the request claims; an empty request is one too."""
    async with asking(folder, [scope]) as host:
        try:
            await _stub(host, method)(_request(method, "something.else"))
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND, error.details()  # noqa: PT017 - empty ids name nothing


async def test_what_needs_no_scope_is_answered_without_any(folder: Path) -> None:
    """Messages and the licence."""
    async with asking(folder, []) as host:
        assert (await host.management.GetLicenseInfo(_request("GetLicenseInfo"))).license_valid
        async with asyncio.timeout(10):
            await host.events.Subscribe(plugin_events_pb2.SubscribeRequest(topic="t")).wait_for_connection()
        assert (await host.events.Publish(plugin_events_pb2.PublishRequest(topic="t"))).success
        unknown = plugin_events_pb2.UnsubscribeRequest(subscription_id="none")
        assert "no subscription" in (await host.events.Unsubscribe(unknown)).error_message


async def test_a_method_that_nobody_knows_is_unimplemented(host: Asking) -> None:
    """As gRPC has it; not an error of ours."""
    call = host.channel.unary_unary("/microgateway_management.MicrogatewayManagementService/DropTables")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_garbage_is_an_error_of_its_call_alone(host: Asking) -> None:
    """Bytes that are no message."""
    call = host.channel.unary_unary("/microgateway_management.MicrogatewayManagementService/GetApp")
    with pytest.raises(grpc.aio.AioRpcError):
        await call(b"\xff" * 100)
    assert (await host.management.GetApp(pb.GetAppRequest(app_id=1))).app.name == "shop"


def test_the_broker_is_loaded_by_who_serves_a_process() -> None:
    """The rest of the host does without gRPC."""
    code = "import sys; import sluice.plugin_host.services; sys.exit('grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
