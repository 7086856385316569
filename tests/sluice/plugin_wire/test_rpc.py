"""Tests of ``sluice.plugin_wire.rpc``, and of the modules that are made from the ``.proto`` files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from sluice.plugin_wire import management_pb2, plugin_events_pb2, rpc
from sluice.plugin_wire import plugin_pb2 as pb

ROOT = Path(__file__).parents[3]
FOLDER = Path("sluice", "plugin_wire")

METHODS = {"plugin.PluginService": 35, "config_provider.ConfigProviderService": 3, "plugin.GRPCBroker": 1}
METHODS |= {"plugin.GRPCController": 1, "plugin.GRPCStdio": 1, "plugin_events.PluginEventService": 3}
METHODS |= {"microgateway_management.MicrogatewayManagementService": 13, "sluice_plugin.HostExtensions": 1}
SERVICES = [rpc.PLUGIN, rpc.CONFIG_PROVIDER, rpc.BROKER, rpc.CONTROLLER, rpc.STDIO]
SERVICES += [rpc.PLUGIN_EVENTS, rpc.MANAGEMENT, rpc.HOST_EXTENSIONS]


def test_what_is_kept_is_what_protoc_makes(tmp_path: Path) -> None:
    """`make proto` changes nothing: nobody edited a module that is made, or forgot to make it."""
    files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / FOLDER).glob("*.proto"))
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        "-I",
        ".",
        f"--python_out={tmp_path}",
        f"--pyi_out={tmp_path}",
    ]
    subprocess.run([*command, *files], cwd=ROOT, check=True)
    made = {path.name: path.read_text() for path in (tmp_path / FOLDER).iterdir()}
    kept = {path.name: path.read_text() for path in (ROOT / FOLDER).glob("*_pb2.py*")}
    assert made == kept, "run `make proto`"


@pytest.mark.parametrize("module", [pb, management_pb2, plugin_events_pb2])
def test_fields_of_ours_are_numbered_from_1000(module: Any) -> None:
    """Peers ignore them, and a later field of the protocol's own never meets one of ours."""
    numbers = [field.number for message in module.DESCRIPTOR.message_types_by_name.values() for field in message.fields]
    assert not [number for number in numbers if 100 < number < 1000]
    uses = {
        f"{message.name}.{field.name}": field.number
        for message in module.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
        if field.message_type is not None and field.message_type.file.package == "sluice_plugin"
    }
    assert all(number >= 1000 for number in uses.values()), uses


def test_services_have_the_protocol_s_names_and_methods() -> None:
    """A peer finds each method by its full path."""
    assert {service.name: len(service.methods) for service in SERVICES} == METHODS
    assert rpc.PLUGIN.methods["ProcessPreAuth"].path == "/plugin.PluginService/ProcessPreAuth"
    streaming = {
        method.path.rpartition("/")[2]: (method.streams_requests, method.streams_responses)
        for service in SERVICES
        for method in service.methods.values()
        if method.streams_requests or method.streams_responses
    }
    answers = dict.fromkeys(("HandleAgentMessage", "HandleEndpointRequestStream", "StreamStdio", "Subscribe"))
    assert streaming == {**dict.fromkeys(answers, (False, True)), "StartStream": (True, True)}


GOLDEN = [
    (pb.PingRequest(timestamp=300), b"\x08\xac\x02"),
    (pb.AuthResponse(authenticated=True, app_id="7"), b"\x08\x01\x1a\x017"),
    (pb.PluginResponse(block=True, status_code=429, body=b"x"), b"\x10\xad\x03\x22\x01x\x28\x01"),
    (pb.PluginRequest(method="GET", context=pb.PluginContext(llm_id=5)), b"\x0a\x03GET\x2a\x02\x18\x05"),
    (pb.HeadersResponse(modified=True, headers={"A": "b"}), b"\x08\x01\x12\x06\x0a\x01A\x12\x01b"),
    (pb.EndpointResponseChunk(type=pb.EndpointResponseChunk.DONE), b"\x08\x02"),
    (pb.ObjectHookResponse(allow_operation=True, message="m", modified=True), b"\x08\x01\xf2\x01\x01m\xf8\x01\x01"),
    (management_pb2.ListAppsRequest(is_active=False, limit=3), b"\x10\x00\x20\x03"),
    (pb.ResponseWriteResponse(block=True), b"\xd8\x3e\x01"),  # 1003 << 3
]  # fmt: skip


@pytest.mark.parametrize(("message", "wire"), GOLDEN, ids=lambda value: type(value).__name__)
def test_messages_are_the_bytes_that_their_numbers_say(message: Any, wire: bytes) -> None:
    """Worked out by hand from the published field numbers, so that a wrong number cannot hide behind itself."""
    assert message.SerializeToString(deterministic=True) == wire
    assert type(message).FromString(wire) == message


async def test_a_stub_speaks_to_a_handler(tmp_path: Path) -> None:
    """Each method is an attribute; one that nobody answers is UNIMPLEMENTED, one that is none is no attribute."""

    async def ping(request: pb.PingRequest, context: Any) -> pb.PingResponse:
        return pb.PingResponse(timestamp=request.timestamp, healthy=True)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((rpc.handler_of(rpc.PLUGIN, {"Ping": ping}),))
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/s") as channel:
        stub: Any = rpc.Stub(channel, rpc.PLUGIN)
        assert await stub.Ping(pb.PingRequest(timestamp=9)) == pb.PingResponse(timestamp=9, healthy=True)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Shutdown(pb.ShutdownRequest())
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(AttributeError, match="no method 'Pong'"):
            stub.Pong  # noqa: B018 - reading it is the test
    await server.stop(None)


def test_a_behaviour_that_is_no_method_is_an_error() -> None:
    """A misspelt one would answer UNIMPLEMENTED for ever."""
    with pytest.raises(KeyError, match="Pong"):
        rpc.handler_of(rpc.PLUGIN, {"Pong": test_a_behaviour_that_is_no_method_is_an_error})


@pytest.mark.parametrize("text", ["a" * 100_000, "\u6f22" * 100_000, "\U0001f600" * 100_000, "half \ud800 a character"])
async def test_a_status_of_any_text_arrives(tmp_path: Path, text: str) -> None:
    """Whatever somebody's exception says: cut, not lost, and the call not left without an answer."""

    async def ping(request: pb.PingRequest, context: Any) -> None:
        await context.abort(grpc.StatusCode.INTERNAL, rpc.status_text(text))

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((rpc.handler_of(rpc.PLUGIN, {"Ping": ping}),))
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/s") as channel:
        stub: Any = rpc.Stub(channel, rpc.PLUGIN)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Ping(pb.PingRequest(), timeout=10)
    await server.stop(None)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert text[:5] in caught.value.details()
