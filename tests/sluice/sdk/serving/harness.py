"""Plugins served in this process or in one of their own, and a host that offers them services."""

from __future__ import annotations

import asyncio
import os
import selectors
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import grpc
import grpc.aio

from sluice.plugin_host.broker.calls import handlers as broker_handlers
from sluice.plugin_wire import plugin_pb2 as pb
from sluice.plugin_wire.rpc import PLUGIN, Stub
from sluice.sdk import BasePlugin, Runtime
from sluice.sdk.services import Scope, Services
from sluice.sdk.serving.connection import Connection
from sluice.sdk.serving.launch import Launch
from sluice.sdk.serving.served import Served
from sluice.sdk.serving.server import start_server
from sluice.sdk.serving.services import ProcessServices

DEADLINE_SECONDS = 60.0
PLUGIN_ID = 7
EVERYTHING = Path(__file__).with_name("everything.py")


@dataclass
class Serving:
    """A plugin that is served, and its server's stub."""

    served: Served
    stub: Any
    channel: grpc.aio.Channel

    async def initialize(self, **config: str) -> pb.InitResponse:
        """As a host that knows the protocol alone."""
        answer: pb.InitResponse = await self.stub.Initialize(pb.InitRequest(config=config))
        return answer


@asynccontextmanager
async def serving(plugin: BasePlugin[Any], folder: Path, runtime: Runtime = "gateway") -> AsyncIterator[Serving]:
    """In this process, over a real socket."""
    socket = f"{folder}/plugin"
    async with connected(plugin.name, runtime) as (connection, services):
        served = Served(plugin, runtime, connection, services)
        server = await start_server(served, Launch(runtime=runtime, socket=socket))
        try:
            async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
                yield Serving(served, Stub(channel, PLUGIN), channel)
        finally:
            served.ended.set()
            await server.stop(None)


@asynccontextmanager
async def connected(
    name: str = "test", runtime: Runtime = "gateway"
) -> AsyncIterator[tuple[Connection, ProcessServices]]:
    """The services of a plugin's process, which know of no host yet."""
    try:
        async with asyncio.TaskGroup() as group:
            connection = Connection(name)
            services = ProcessServices(connection, runtime, group)
            try:
                yield connection, services
            finally:
                await services.close()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] if len(errors.exceptions) == 1 else errors from None


@asynccontextmanager
async def host_of(services: Services, socket: str, scopes: tuple[Scope, ...] = get_args(Scope)) -> AsyncIterator[str]:
    """A host's services on a socket, as our own host offers them."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(tuple(broker_handlers(services, scopes, PLUGIN_ID, "test")))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        yield socket
    finally:
        await server.stop(None)


@dataclass
class Child:
    """A plugin's process."""

    process: subprocess.Popen[bytes]
    line: str
    errors: Path

    @property
    def socket(self) -> str:
        """Where it listens."""
        return self.line.split("|")[3]

    @property
    def log(self) -> str:
        """What it wrote to standard error until now."""
        return self.errors.read_text()

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(DEADLINE_SECONDS)


@contextmanager
def child(folder: Path, *arguments: str, script: Path = EVERYTHING, **variables: str) -> Iterator[Child]:
    """Started as a host starts it; killed at the end where it still lives."""
    errors = folder / "stderr"
    with errors.open("wb") as stderr, start(script, folder, arguments, variables, stderr) as process:
        try:
            yield Child(process, first_line(process), errors)
        finally:
            process.kill()


def start(script: Path, folder: Path, arguments: tuple[str, ...], variables: dict[str, str], stderr: Any) -> Any:
    """The process, with the environment that a host gives it and no other."""
    root = str(Path(__file__).parents[4])
    host = {"AI_STUDIO_PLUGIN": "v1", "PLUGIN_UNIX_SOCKET_DIR": str(folder), "PLUGIN_RUNTIME": "gateway"}
    given = {"PYTHONPATH": root, "PATH": os.environ["PATH"], **host, **variables}  # noqa: TID251 - for a child
    command = [sys.executable, str(script), *arguments]
    return subprocess.Popen(
        command, env={name: value for name, value in given.items() if value}, stdout=subprocess.PIPE, stderr=stderr
    )


def first_line(process: subprocess.Popen[bytes]) -> str:
    """What it says on standard output; empty where it ends without a word."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(DEADLINE_SECONDS), "it said nothing"
    return process.stdout.readline().decode().rstrip("\n")


@asynccontextmanager
async def stub_of(target: str, **options: Any) -> AsyncIterator[Any]:
    """A plain connection to a plugin's process."""
    async with grpc.aio.insecure_channel(target, **options) as channel:
        yield Stub(channel, PLUGIN)


async def until(condition: Callable[[], Any]) -> Any:
    """What it returns once that is true."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (found := condition()):  # noqa: ASYNC110 - what a process wrote has no event
            await asyncio.sleep(0.01)
    return found


def until_now(condition: Callable[[], Any]) -> Any:
    """As ``until``, for tests that have no loop."""
    ends = time.monotonic() + DEADLINE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.01)
    return found
