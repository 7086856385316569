"""What go-plugin's hosts ask of every process: where services are, an end, what it prints, whether it is well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import grpc.aio

from sluice.plugin_wire.go_plugin_pb2 import ConnInfo, Empty
from sluice.plugin_wire.rpc import BROKER, CONTROLLER, STDIO, handler_of
from sluice.sdk.serving.served import Served

_HEALTH: Final = "grpc.health.v1.Health"
_SERVING: Final = b"\x08\x01"  # HealthCheckResponse: field 1, status, is 1, SERVING
_KNOWN_SERVICES: Final = frozenset((b"", b"\x0a\x06plugin"))  # HealthCheckRequest: field 1, service, as bytes


def go_plugin_handlers(served: Served) -> list[grpc.GenericRpcHandler]:
    """The broker, the controller, stdio and health."""

    async def start_stream(announcements: AsyncIterator[ConnInfo], context: Any) -> None:  # noqa: ARG001 - gRPC's
        # Ends by itself at the end: a server that has to cancel a call writes a traceback of it.
        async with asyncio.TaskGroup() as group:
            heard = group.create_task(_hear(announcements, served))
            ended = group.create_task(served.ended.wait())
            await asyncio.wait((heard, ended), return_when=asyncio.FIRST_COMPLETED)
            heard.cancel()
            ended.cancel()

    async def shutdown(request: Empty, context: Any) -> Empty:  # noqa: ARG001
        served.ended.set()
        return Empty()

    async def stream_stdio(request: Any, context: Any) -> None:  # noqa: ARG001
        # What this process prints goes to its standard error, which hosts read: nothing ever comes here.
        await served.ended.wait()

    return [
        handler_of(BROKER, {"StartStream": start_stream}),
        handler_of(CONTROLLER, {"Shutdown": shutdown}),
        handler_of(STDIO, {"StreamStdio": stream_stdio}),
        _health_handler(served),
    ]


async def _hear(announcements: AsyncIterator[ConnInfo], served: Served) -> None:
    known = served.connection.announcements
    try:
        async for info in announcements:
            await known.put(announcements, info)
    finally:
        known.end(announcements)


def _health_handler(served: Served) -> grpc.GenericRpcHandler:
    """By hand: messages of two fields, whose definitions would clash with another library's in the same process."""

    async def check(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if request not in _KNOWN_SERVICES:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service")
        return _SERVING

    async def watch(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        yield await check(request, context)
        await served.ended.wait()

    return grpc.method_handlers_generic_handler(
        _HEALTH,
        {"Check": grpc.unary_unary_rpc_method_handler(check), "Watch": grpc.unary_stream_rpc_method_handler(watch)},
    )
