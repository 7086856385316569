"""A plugin's process from its start to its end: listen, say where, answer, and leave nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import grpc.aio

from sluice.sdk.capabilities import DataCollector, overridden
from sluice.sdk.context import Runtime
from sluice.sdk.plugin import BasePlugin
from sluice.sdk.serving.connection import Connection
from sluice.sdk.serving.guard import problem_of
from sluice.sdk.serving.launch import Launch, LaunchError, Options, launch_of, read_options
from sluice.sdk.serving.parent import watch_parent
from sluice.sdk.serving.served import Served
from sluice.sdk.serving.server import start_server
from sluice.sdk.serving.services import ProcessServices
from sluice.settings import environment

_DRAIN_SECONDS: Final = 2.0
"""For calls under way when the end comes."""

_SHUTDOWN_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 0.1

Say = Callable[[str], None]


def run(plugin: BasePlugin[Any], given: Options) -> None:
    """Serve the plugin until its host, a signal or its parent's death ends it. Exits with 1 where it cannot."""
    parent = os.getppid()
    try:
        _check(plugin)
        options = read_options(sys.argv[1:], given)
        launch = launch_of(options, environment(), str(Path(sys.argv[0]).absolute()))
        asyncio.run(_serve_alone(plugin, launch, _taken_stdout(), parent))
    except LaunchError as error:
        print(error, file=sys.stderr)  # noqa: T201 - for whoever started it
        raise SystemExit(1) from None


def _check(plugin: BasePlugin[Any]) -> None:
    if isinstance(plugin, DataCollector) and overridden(type(plugin), DataCollector) == ["handle_batch"]:
        message = (
            f"{plugin.name} collects by handle_batch alone, which the protocol of a process does not have; "
            "override handle_proxy_log and the others, or run it as python://"
        )
        raise LaunchError(message)


def _taken_stdout() -> Say:
    """Say a line on standard output, which is for the host alone: what is printed goes to standard error from now on.

    What was printed before and is still in a buffer goes there too.
    """
    out = os.dup(sys.__stdout__.fileno()) if sys.__stdout__ is not None else None
    os.dup2(2, 1)
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()

    def say(line: str) -> None:
        if out is not None:
            os.write(out, line.encode() + b"\n")

    return say


async def _serve_alone(plugin: BasePlugin[Any], launch: Launch, say: Say, parent: int) -> None:
    """As ``_serve``; raises LaunchError itself, where a task group has a group of one."""
    try:
        await _serve(plugin, launch, say, parent)
    except ExceptionGroup as errors:
        raise next((error for error in errors.exceptions if isinstance(error, LaunchError)), errors) from None


async def _serve(plugin: BasePlugin[Any], launch: Launch, say: Say, parent: int) -> None:
    async with asyncio.TaskGroup() as group:
        served = _served(plugin, launch.runtime, group)
        try:
            server = await start_server(served, launch)
            _end_on_signals(served, launch)
            if launch.socket:
                watch_parent(parent, _from_thread(served))
                say(f"1|1|unix|{launch.socket}|grpc|")
            else:
                served.services.logger.info("plugin is served", address=launch.address)
            await served.ended.wait()
            await _end(served, server)
        finally:
            await served.services.close()
            if launch.socket:
                Path(launch.socket).unlink(missing_ok=True)


def _served(plugin: BasePlugin[Any], runtime: Runtime, group: asyncio.TaskGroup) -> Served:
    connection = Connection(plugin.name)
    return Served(plugin, runtime, connection, ProcessServices(connection, runtime, group))


def _end_on_signals(served: Served, launch: Launch) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, served.ended.set)
    if launch.socket:
        # a terminal's Ctrl-C goes to the host too, which ends its plugins in order
        loop.add_signal_handler(signal.SIGINT, _ignore)
    else:
        loop.add_signal_handler(signal.SIGINT, served.ended.set)


def _ignore() -> None:
    """A signal that means nothing here."""


def _from_thread(served: Served) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def end() -> None:
        with suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(served.ended.set)

    return end


async def _end(served: Served, server: grpc.aio.Server) -> None:
    """Calls under way first, then the plugin, then the connections."""
    served.sessions.end()
    await served.calls.finished(_DRAIN_SECONDS)
    try:
        async with asyncio.timeout(_SHUTDOWN_SECONDS):
            await served.shutdown()
    except Exception as error:  # noqa: BLE001 - the plugin is the author's: the process ends all the same
        served.services.logger.error("plugin not shut down", error=problem_of(error))  # noqa: TRY400 - no standard logger
    await server.stop(_STOP_SECONDS)
