"""The way back: a plugin's services on a socket of the host's, and where it is told of them.

A plugin dials when it first needs a service, and forgets an announcement that nobody dialled after five seconds; so it
is announced again until something was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import grpc.aio

from sluice.plugin_host.processes.calls import Calls
from sluice.plugin_host.settings import PluginHostSettings
from sluice.plugin_wire.go_plugin_pb2 import ConnInfo

BROKER_ID = 1
"""Of the one way back that there is; any number above 0 would do."""

ANNOUNCE_SECONDS = 2.0
MAX_CALLS = 256
"""Of one plugin under way at once."""
_OVERHEAD_BYTES = 64 << 10
"""Of a message beside the value or payload in it."""


def max_request_bytes(settings: PluginHostSettings) -> int:
    """The largest message that any service takes."""
    largest = max(settings.kv.max_value_bytes, settings.max_message_bytes, settings.max_control_payload_bytes)
    return largest + _OVERHEAD_BYTES


class _Heard(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Answers nothing, and so sees everything first."""

    def __init__(self) -> None:
        self.anything = False

    def service(self, handler_call_details: Any) -> None:  # noqa: ARG002
        self.anything = True


class WayBack:
    """A running server of one plugin's services."""

    def __init__(self, socket: str, server: grpc.aio.Server, heard: _Heard) -> None:
        self.socket = socket
        self._server = server
        self._heard = heard
        self._announcements: Any = None

    @property
    def is_used(self) -> bool:
        """Whether the plugin has asked anything yet."""
        return self._heard.anything

    def announce(self, calls: Calls) -> None:
        """From now on, until the plugin has asked something; a plugin that takes no announcements is left alone.

        On one stream, which stays open as long as the connection: go-plugin's broker ends with it. The call itself
        takes the lines one by one, since a write that is cancelled in the middle would end the stream.
        """
        if self._announcements is None:
            self._announcements = calls.announcements(self._lines())

    async def _lines(self) -> AsyncIterator[bytes]:
        line = ConnInfo(service_id=BROKER_ID, network="unix", address=self.socket).SerializeToString()
        while not self.is_used:
            yield line
            await asyncio.sleep(ANNOUNCE_SECONDS)
        await asyncio.get_running_loop().create_future()  # until the stream is cancelled

    async def close(self) -> None:
        """End calls under way."""
        if self._announcements is not None:
            self._announcements.cancel()
        await self._server.stop(None)


async def open_way_back(
    socket: str, handlers: Sequence[grpc.GenericRpcHandler], max_request_bytes: int = 4 << 20
) -> WayBack:
    """Serve these on a unix socket. A message is read before anybody knows what its sender may ask, so its bound is
    what any service takes."""
    heard = _Heard()
    options = (
        ("grpc.max_receive_message_length", max_request_bytes),
        ("grpc.max_concurrent_streams", MAX_CALLS),  # of more the plugin waits with what it has not sent yet
        ("grpc.so_reuseport", 0),
    )
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=MAX_CALLS)
    server.add_generic_rpc_handlers((heard, *handlers))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    return WayBack(socket, server, heard)
