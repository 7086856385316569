"""The other side: plugins of the raw protocol, in this process and as executables; and what opening one needs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from sluice.plugin_host.opening import Opening
from sluice.plugin_host.processes.calls import CHANNEL_OPTIONS, PLUGIN, Calls
from sluice.plugin_host.registration import PluginRegistration
from sluice.plugin_host.settings import PluginHostSettings, ProcessSettings
from sluice.plugin_wire import plugin_pb2
from sluice.sdk.fakes import RecordingServices

STAND_IN = Path(__file__).with_name("stand_in.py")

Answer = Message | bytes | Callable[[bytes, Any], Awaitable[bytes]]


class Peer(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """A plugin's server in this process: answers what it was given answers for, and nothing else."""

    def __init__(self, **answers: Answer) -> None:
        """By the plugin service's method names."""
        self.answers: dict[str, Answer] = {PLUGIN + name: answer for name, answer in answers.items()}
        self.calls: list[str] = []
        self.requests: dict[str, bytes] = {}
        self.metadata: dict[str, str] = {}
        self.port = 0

    def service(self, details: Any) -> Any:
        answer = self.answers.get(details.method)
        self.calls.append(details.method.rpartition("/")[2])
        self.metadata = dict(details.invocation_metadata)
        if answer is None:
            return None

        async def unary(data: bytes, context: Any) -> bytes:
            self.requests[details.method.rpartition("/")[2]] = data
            if callable(answer):
                return await answer(data, context)
            return answer if isinstance(answer, bytes) else answer.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(unary)


@asynccontextmanager
async def serving(peer: grpc.GenericRpcHandler, address: str = "127.0.0.1:0") -> AsyncIterator[int]:
    """Its port."""
    server = grpc.aio.server(options=(("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)))
    server.add_generic_rpc_handlers((peer,))
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@asynccontextmanager
async def calling(peer: Peer, max_message_bytes: int = 4 << 20) -> AsyncIterator[Calls]:
    """A connection to it."""
    async with serving(peer) as port:
        calls = Calls(grpc.aio.insecure_channel(f"127.0.0.1:{port}", CHANNEL_OPTIONS), max_message_bytes)
        try:
            yield calls
        finally:
            await calls.close("the test is over")


def willing(**answers: Answer) -> Peer:
    """One that takes any configuration and says that it is well."""
    usual: dict[str, Answer] = {
        "Initialize": plugin_pb2.InitResponse(success=True),
        "Ping": plugin_pb2.PingResponse(healthy=True),
    }
    return Peer(**{**usual, **answers})


def printed(services: RecordingServices) -> list[str]:
    """What the plugin printed, as the log has it."""
    return [entry.values["message"] for entry in services.logger.entries if entry.event == "plugin printed"]


def logged(services: RecordingServices) -> list[str]:
    """The log's phrases."""
    return [entry.event for entry in services.logger.entries]


def make_opening(folder: Path, services: RecordingServices | None = None, **process: Any) -> Opening:
    """Executables may lie anywhere in the folder."""
    quick = {"restart_base_seconds": 0.01, "restart_max_seconds": 0.05, "ping_seconds": 0.05}
    settings = PluginHostSettings(allowed_directories=("/",), process=ProcessSettings(**{**quick, **process}))
    given = services or RecordingServices()
    return Opening(folder=folder, settings=settings, services=given, runtime="gateway", data_dir=folder / "data")


def make_registration(command: str | Path, **fields: Any) -> PluginRegistration:
    """Of an executable's path, or a command."""
    text = f"file://{command}" if isinstance(command, Path) else command
    return PluginRegistration(**{"id": 7, "name": "peer", "command": text, "hook_types": ("post_auth",), **fields})


def write_script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def write_stand_in(folder: Path, *modes: str, name: str = "stand_in") -> Path:
    """An executable that runs ``stand_in.py``."""
    return write_script(folder / name, f'exec "{sys.executable}" "{STAND_IN}" {" ".join(modes)}')


async def until(condition: Callable[[], Any], seconds: float = 40.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for happens in other processes
            await asyncio.sleep(0.005)


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}
