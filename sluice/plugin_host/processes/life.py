"""One life of a plugin: its process or its attachment, the connection to it and the way back, from start to end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from sluice.clock import now_micros
from sluice.plugin_host.errors import described
from sluice.plugin_host.processes.calls import CONTROLLER, PLUGIN, STDIO, Calls
from sluice.plugin_host.processes.child import Child
from sluice.plugin_host.processes.faults import CallFailed, Refused, RemoteFault
from sluice.plugin_host.processes.output import Lines, Output
from sluice.plugin_host.processes.reverse import BROKER_ID, WayBack
from sluice.plugin_host.settings import ProcessSettings
from sluice.plugin_wire import go_plugin_pb2, plugin_pb2
from sluice.sdk.wire.configuration import configuration_to_wire

INITIALIZE_SECONDS = 9.0
"""Less than a host gives to all of an initialisation, so that what took too long has its name."""
EXIT_SECONDS = 2.0
"""From its farewell to SIGKILL."""

_STDIO_AT_ONCE, _STDIO_PAUSE_SECONDS = 500, 0.25
"""At most 2,000 messages (of 1 KiB each, as go-plugin cuts them) a second: a flood waits for us, not we for it."""

_SESSION_MS = 30_000
_MAX_REFUSAL_CHARACTERS = 500
_SESSION_PAUSE_SECONDS = 1.0  # where a session ends at once, for whatever reason
_PINGS_MISSED = 3  # before a plugin that does not answer counts as dead; a connection that breaks is seen at once

_FAREWELLS: tuple[tuple[str, Message, type[Any], float], ...] = (
    (PLUGIN + "CloseSession", plugin_pb2.CloseSessionRequest(reason="shutdown"), plugin_pb2.CloseSessionResponse, 0.5),
    (PLUGIN + "Shutdown", plugin_pb2.ShutdownRequest(timeout_seconds=1), plugin_pb2.ShutdownResponse, 1.5),
    (CONTROLLER, go_plugin_pb2.Empty(), go_plugin_pb2.Empty, 0.3),
)
"""What a process is told before its end, and how many seconds it may take to hear each. All of it and the exit fit
into the five seconds that a host gives to a shutdown. go-plugin's server ends while it answers the last one."""

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Life:
    """A connected plugin. ``initialize`` once, ``run`` while it is to be kept, then ``stop`` or ``close``."""

    plugin_id: int
    calls: Calls
    settings: ProcessSettings
    output: Output
    stack: AsyncExitStack
    """What is to be undone at its end."""
    child: Child | None = None
    """``None`` for one that somebody else runs."""
    way_back: WayBack | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        if self.child is not None:
            self.child.exited.add_done_callback(lambda exited: self.end(f"its process {exited.result()}"))

    @property
    def is_over(self) -> bool:
        """Whether nothing can be called any more."""
        return bool(self.calls.ended)

    def end(self, why: str) -> None:
        """It is over; the first reason counts."""
        self.calls.ended = self.calls.ended or why
        self._ended.set()

    async def initialize(self, config: Mapping[str, Any]) -> plugin_pb2.InitResponse | None:
        """Configure it, and let it find its services meanwhile; its answer, ``None`` where it takes no configuration.
        Raises Refused, CallFailed, OversizeError."""
        request = configuration_to_wire(config, self.plugin_id, BROKER_ID if self.way_back else 0)
        if self.way_back is not None:
            self.way_back.announce(self.calls)
        method = PLUGIN + "Initialize"
        answer = await self.calls.call(method, request, plugin_pb2.InitResponse, INITIALIZE_SECONDS)
        if answer is not None and not answer.success:
            raise Refused(answer.error_message[:_MAX_REFUSAL_CHARACTERS] or "it refused its configuration")
        return answer

    async def run(self) -> str:
        """Keep what it needs while it lives; returns why it ended."""
        async with asyncio.TaskGroup() as group:
            works = (self._drain(), self._hold_sessions(), self._ping_for_ever(), self._watch())
            tasks = [group.create_task(work) for work in works]
            await self._ended.wait()
            for task in tasks:
                task.cancel()
        return self.calls.ended

    async def ping(self) -> None:
        """Raises CallFailed where it is not well."""
        request = plugin_pb2.PingRequest(timestamp=now_micros() // 1_000_000)
        seconds = self.settings.ping_timeout_seconds
        answer = await self.calls.call(PLUGIN + "Ping", request, plugin_pb2.PingResponse, seconds)
        if answer is not None and not answer.healthy:
            message = "Ping: it says that it is not healthy"
            raise CallFailed(message)

    async def stop(self) -> None:
        """Say farewell to a process of ours, then ``close``. One that somebody else runs is only left."""
        try:
            if self.child is not None and not self.is_over:
                for method, request, answer, seconds in _FAREWELLS:
                    with suppress(RemoteFault):
                        await self.calls.call(method, request, answer, seconds)
                await self.child.wait(EXIT_SECONDS)
        finally:
            await self.close("it was shut down")

    async def close(self, why: str) -> None:
        """End it now, whatever it does; may be called twice."""
        self.end(why)
        if self.child is not None:
            self.child.kill_now()  # first, and without waiting: this may be the last thing that is done
        await self.stack.aclose()
        self.output.report()

    async def _watch(self) -> None:
        """A connection that breaks is the end: who answers behind it need not be who was configured."""
        await self.calls.lost()
        self.end("the connection was lost")

    async def _drain(self) -> None:
        """What go-plugin took from its plugin's own stdout and stderr: unread it would block the plugin in the end."""
        if self.child is None:
            return
        lines = {
            go_plugin_pb2.StdioData.STDOUT: Lines(self.output, "stdout"),
            go_plugin_pb2.StdioData.STDERR: Lines(self.output, "stderr"),
        }
        taken = 0
        with suppress(RemoteFault):
            async for data in self.calls.stream(STDIO, Empty(), go_plugin_pb2.StdioData):
                if data.channel in lines:
                    lines[data.channel].feed(data.data)
                taken += 1
                if taken % _STDIO_AT_ONCE == 0:
                    await asyncio.sleep(_STDIO_PAUSE_SECONDS)

    async def _hold_sessions(self) -> None:
        """One after the other, until it turns out that it has none."""
        request = plugin_pb2.OpenSessionRequest(
            service_broker_id=BROKER_ID if self.way_back else 0, plugin_id=self.plugin_id, timeout_ms=_SESSION_MS
        )
        method, seconds = PLUGIN + "OpenSession", _SESSION_MS / 1000 + self.settings.ping_timeout_seconds
        while True:
            began = time.monotonic()
            with suppress(RemoteFault):
                if await self.calls.call(method, request, plugin_pb2.OpenSessionResponse, seconds) is None:
                    return
            if time.monotonic() - began < _SESSION_PAUSE_SECONDS:
                await asyncio.sleep(_SESSION_PAUSE_SECONDS)

    async def _ping_for_ever(self) -> NoReturn:
        missed = 0
        while True:
            await asyncio.sleep(self.settings.ping_seconds)
            self.output.report()
            try:
                await self.ping()
                missed = 0
            except CallFailed as error:
                missed += 1
                if missed >= _PINGS_MISSED:
                    self.end(f"it does not answer ({described(error)})")


Starter = Callable[[], Coroutine[Any, Any, Life]]
"""Starts a process, or attaches, anew."""
