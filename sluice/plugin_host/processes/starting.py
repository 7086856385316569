"""Starts a life: a process of a ``file://`` plugin, or a connection to a ``grpc://`` one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import grpc
import grpc.aio

from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.opening import Opening
from sluice.plugin_host.processes.attaching import attach
from sluice.plugin_host.processes.calls import CHANNEL_OPTIONS, Calls
from sluice.plugin_host.processes.child import Child, Start, start_child
from sluice.plugin_host.processes.executable import Executable, open_executable
from sluice.plugin_host.processes.faults import CallFailed
from sluice.plugin_host.processes.handshake import HandshakeError
from sluice.plugin_host.processes.life import Life
from sluice.plugin_host.processes.output import Output
from sluice.plugin_host.processes.reverse import WayBack, max_request_bytes, open_way_back
from sluice.plugin_host.processes.sockets import SocketFolder
from sluice.plugin_host.processes.variables import plugin_environment
from sluice.plugin_host.registration import PluginRegistration
from sluice.settings import environment


async def start_process(registration: PluginRegistration, opening: Opening) -> Life:
    """Run the executable and connect to it; PluginLoadError says why that cannot be."""
    settings = opening.settings.process
    output = Output(opening.services.logger, settings.max_log_lines_per_second)
    async with AsyncExitStack() as stack:
        folder = _folder(registration, opening, stack)
        child, socket = await _started(registration, opening, folder, output, stack)
        channel = grpc.aio.insecure_channel(f"unix:{quote(socket)}", CHANNEL_OPTIONS)
        calls = Calls(channel, settings.max_message_bytes)
        stack.push_async_callback(calls.close, "it was shut down")
        way_back = await _way_back(registration, opening, folder, stack)
        await _reach(registration, calls, settings.start_timeout_seconds)
        return Life(
            plugin_id=registration.id,
            calls=calls,
            settings=settings,
            output=output,
            child=child,
            way_back=way_back,
            stack=stack.pop_all(),
        )
    raise AssertionError  # an exit stack swallows nothing here


async def attach_process(registration: PluginRegistration, opening: Opening) -> Life:
    """Connect to what somebody else runs; PluginLoadError says why that cannot be."""
    settings = opening.settings.process
    async with AsyncExitStack() as stack:
        attachment = attach(registration, opening.folder, environment())
        calls = Calls(attachment.channel, settings.max_message_bytes, attachment.metadata)
        stack.push_async_callback(calls.close, "it was shut down")
        await _reach(registration, calls, settings.start_timeout_seconds)
        way_back = None
        if attachment.is_local:
            folder = _folder(registration, opening, stack)
            way_back = await _way_back(registration, opening, folder, stack)
        return Life(
            plugin_id=registration.id,
            calls=calls,
            settings=settings,
            output=Output(opening.services.logger, settings.max_log_lines_per_second),
            way_back=way_back,
            stack=stack.pop_all(),
        )
    raise AssertionError


def _folder(registration: PluginRegistration, opening: Opening, stack: AsyncExitStack) -> SocketFolder:
    try:
        folder = SocketFolder(opening.data_dir)
    except OSError as error:
        problem = f"there is no folder for its sockets in {opening.data_dir} ({error.strerror})"
        raise PluginLoadError(registration.name, problem, "let the gateway write there") from error
    stack.callback(folder.close)
    return folder


async def _started(
    registration: PluginRegistration, opening: Opening, folder: SocketFolder, output: Output, stack: AsyncExitStack
) -> tuple[Child, str]:
    """A process that said where it listens, and was what it had been when it was looked at."""
    executable = open_executable(registration.name, registration.command, _allowed(opening))
    try:
        if registration.checksum:
            await asyncio.to_thread(executable.check_sum, registration.checksum)
        variables = plugin_environment(environment(), opening.runtime, str(folder.path))
        child = _run(executable, Start(executable, variables, opening.folder.resolve()), output)
        stack.push_async_callback(child.kill)
        socket = await child.socket(opening.settings.process.start_timeout_seconds)
        executable.verify()
    except HandshakeError as error:
        remedy = "run it by hand with AI_STUDIO_PLUGIN=v1 to see what it prints"
        raise PluginLoadError(registration.name, str(error), remedy) from error
    finally:
        executable.close()
    return child, socket


def _run(executable: Executable, start: Start, output: Output) -> Child:
    try:
        return start_child(start, output)
    except OSError as error:
        problem = f"no process could be started ({error.strerror})"
        raise PluginLoadError(executable.plugin, problem, "see the limits on processes and memory") from error


def _allowed(opening: Opening) -> Sequence[Path]:
    return [opening.folder / each for each in opening.settings.allowed_directories]


async def _way_back(
    registration: PluginRegistration, opening: Opening, folder: SocketFolder, stack: AsyncExitStack
) -> WayBack:
    from sluice.plugin_host.broker import handlers  # noqa: PLC0415 - not before there is a plugin to serve

    served = handlers(opening.services, registration.service_scopes, registration.id, registration.name)
    way_back = await open_way_back(folder.host_socket, served, max_request_bytes(opening.settings))
    stack.push_async_callback(way_back.close)
    return way_back


async def _reach(registration: PluginRegistration, calls: Calls, seconds: float) -> None:
    try:
        await calls.reach(seconds)
    except CallFailed as error:
        problem = f"it cannot be reached: {error}"
        remedy = "see that it runs and listens where it says; away from this machine it must speak TLS"
        raise PluginLoadError(registration.name, problem, remedy) from error
