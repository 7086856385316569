"""An OTLP receiver over HTTP that answers as it is told, and reads what it gets with OpenTelemetry's own messages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def takes(_: web.Request) -> web.StreamResponse:
    """The answer of a receiver that is well."""
    return web.Response(content_type="application/x-protobuf")


def answers(status: int, body: bytes = b"", content_type: str = "application/x-protobuf", **headers: str) -> Script:
    """This answer each time."""

    async def answer(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers=named, content_type=content_type)

    return answer


async def hangs(_: web.Request) -> web.StreamResponse:
    """No answer at all, for as long as anybody waits."""
    await asyncio.sleep(3_600)
    raise AssertionError


class OtlpReceiver:
    """One that listens; ``script`` is how it answers."""

    def __init__(self) -> None:
        self.script: Script = takes
        self.requests: list[tuple[dict[str, str], ExportTraceServiceRequest]] = []
        self.asked = 0
        self.url = ""

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        body = await request.read()
        answer = await self.script(request)
        if answer.status == 200:
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.requests.append((headers, ExportTraceServiceRequest.FromString(body)))
        return answer

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[OtlpReceiver]:
        """For as long as the block lasts."""
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/traces", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
        try:
            yield self
        finally:
            await runner.cleanup()

    @property
    def spans(self) -> list[Any]:
        """All that were taken, in their order."""
        return [
            span
            for _, request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    async def got(self, count: int = 1, seconds: float = 10.0) -> list[Any]:
        """All spans, once there are roots of so many exchanges."""
        async with asyncio.timeout(seconds):
            while sum(span.kind == 2 for span in self.spans) < count:  # noqa: ASYNC110 - another server's end
                await asyncio.sleep(0.005)
        return self.spans


def attributes_of(span: Any) -> dict[str, Any]:
    """By name, as Python's values."""
    return {each.key: _value(each.value) for each in span.attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)
