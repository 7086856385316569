"""Plugins with endpoints, that answer well and badly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import orjson

from sluice.sdk import (
    BasePlugin,
    Context,
    CustomEndpointHandler,
    EndpointChunk,
    EndpointRegistration,
    EndpointRequest,
    EndpointResponse,
)

EVENTS: list[str] = []
"""What handlers did, for the test that asks."""


class Unary(BasePlugin, CustomEndpointHandler):
    """Tells what it was asked."""

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        every = ("GET", "POST", "PUT", "PATCH", "DELETE")
        return [
            EndpointRegistration(path="/", methods=("GET",), require_auth=False),
            EndpointRegistration(path="/open", methods=("GET", "POST"), require_auth=False),
            EndpointRegistration(path="/open/{name}", methods=every, require_auth=False),
            EndpointRegistration(path="/open/{name}/known", methods=("GET",), require_auth=False),
            EndpointRegistration(path="/files/*", methods=("GET",), require_auth=False),
            EndpointRegistration(path="/mine", methods=("GET", "POST")),
            EndpointRegistration(path="/admin", methods=("GET",), scopes=("admin",)),
            EndpointRegistration(path="/both", methods=("GET",), scopes=("api", "admin")),
            EndpointRegistration(path="/head", methods=("GET", "HEAD", "OPTIONS"), require_auth=False),
        ]

    async def handle_endpoint_request(self, ctx: Context, request: EndpointRequest) -> EndpointResponse:
        app = request.app
        said = {
            "method": request.method,
            "path": request.path,
            "relative_path": request.relative_path,
            "segments": list(request.path_segments),
            "parameters": dict(request.path_parameters),
            "query": request.query,
            "body": request.body.decode("latin-1"),
            "host": request.host,
            "remote_addr": request.remote_addr,
            "authenticated": request.authenticated,
            "app": app and [app.id, app.name, app.rate_limit_rpm, list(app.allowed_ips)],
            "scopes": list(request.scopes),
            "ctx": [ctx.app_id, ctx.user_id, ctx.request_id, ctx.edge_id, ctx.runtime, dict(ctx.trace_context)],
            "x-many": request.headers.get_all("x-many"),
        }
        return EndpointResponse(headers={"content-type": "application/json"}, body=orjson.dumps(said))


async def _wait(_request: EndpointRequest) -> EndpointResponse:
    EVENTS.append("began")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        EVENTS.append("cancelled")
        raise
    return EndpointResponse()


async def _raise(_request: EndpointRequest) -> EndpointResponse:
    message = "the plugin's own secret"
    raise RuntimeError(message)


async def _exit(_request: EndpointRequest) -> EndpointResponse:
    raise SystemExit(3)


async def _block(_request: EndpointRequest) -> EndpointResponse:
    time.sleep(0.12)  # noqa: ASYNC251 - what it is there for
    return EndpointResponse()


async def _block_stream() -> AsyncIterator[EndpointChunk]:
    await asyncio.sleep(0)
    time.sleep(0.12)  # noqa: ASYNC251 - as above
    yield EndpointChunk("done")


async def _brief(_request: EndpointRequest) -> EndpointResponse:
    await asyncio.sleep(0.001)
    return EndpointResponse(body=b"after a while")


ANSWERS: Mapping[str, Any] = {
    "raise": _raise,
    "exit": _exit,
    "wait": _wait,
    "block": _block,
    "brief": _brief,
    "none": None,
    "dict": {"status_code": 200},
    "text-body": EndpointResponse(body="text"),  # type: ignore[arg-type]
    "huge": EndpointResponse(body=bytes(100 << 20)),
    "status-99": EndpointResponse(status_code=99),
    "status-600": EndpointResponse(status_code=600),
    "status-text": EndpointResponse(status_code="200"),  # type: ignore[arg-type]
    "status-true": EndpointResponse(status_code=True),
    "header-crlf": EndpointResponse(headers={"x-a": "1\r\nx-b: 2"}),
    "header-name": EndpointResponse(headers={"x a": "1"}),
    "header-list": EndpointResponse(headers=["x-a", "1"]),  # type: ignore[arg-type]
    "header-flood": EndpointResponse(headers={"x-a": "a" * (65 << 10)}),
    "header-number": EndpointResponse(headers={"x-a": 3}),  # type: ignore[dict-item]
    "message-bytes": EndpointResponse(message=b"no text"),  # type: ignore[arg-type]
    "status-0": EndpointResponse(status_code=0, body=b"unset"),
    "framing": EndpointResponse(
        headers={"content-length": "3", "transfer-encoding": "chunked", "connection": "close", "x-ok": "1",
                 "x-sluice-exchange-id": "forged"}, body=b"four",
    ),
    "message": EndpointResponse(status_code=409, headers={"x-why": "taken"}, message="it is taken"),
    "message-200": EndpointResponse(message="went wrong"),
    "message-and-body": EndpointResponse(status_code=400, message="unused", body=b"the body"),
    "no-content": EndpointResponse(status_code=204, body=b"ignored"),
    "not-modified": EndpointResponse(status_code=304, headers={"etag": '"1"'}, body=b"ignored"),
    "teapot": EndpointResponse(status_code=418, body=b"short and stout"),
    "cookies": EndpointResponse(headers={"set-cookie": ["a=1", "b=2"]}, body=b"two"),
}  # fmt: skip


class Scripted(BasePlugin, CustomEndpointHandler):
    """Answers as the path says."""

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        return [
            EndpointRegistration(path="/events", require_auth=False),
            EndpointRegistration(path="/do/{script}", methods=("GET", "POST"), require_auth=False),
            EndpointRegistration(path="/mine/{script}", methods=("GET", "POST")),
            EndpointRegistration(path="/stream/{script}", methods=("GET",), require_auth=False, stream_response=True),
            EndpointRegistration(path="/my-stream/{script}", methods=("GET",), stream_response=True),
        ]

    async def handle_endpoint_request(self, ctx: Context, request: EndpointRequest) -> EndpointResponse:
        if request.relative_path == "/events":
            return EndpointResponse(body=orjson.dumps(EVENTS))
        answer: Any = ANSWERS[request.path_parameters["script"]]
        said: EndpointResponse = await answer(request) if callable(answer) else answer
        return said

    async def handle_endpoint_request_stream(
        self, ctx: Context, request: EndpointRequest
    ) -> AsyncIterator[EndpointChunk]:
        async for chunk in STREAMS[request.path_parameters["script"]]():
            yield chunk


SSE = EndpointChunk.head(200, {"content-type": "text/event-stream"})


async def _sse() -> AsyncIterator[EndpointChunk]:
    yield SSE
    for at in range(3):
        await asyncio.sleep(0)
        yield EndpointChunk(data=b"data: %d\n\n" % at)
    yield EndpointChunk("done")
    EVENTS.append("behind done")


async def _plain() -> AsyncIterator[EndpointChunk]:
    yield EndpointChunk(data=b"without ")
    yield EndpointChunk(data=b"")
    yield EndpointChunk(data=b"a head")


async def _status() -> AsyncIterator[EndpointChunk]:
    yield EndpointChunk.head(418, {"x-kind": "teapot"})
    yield EndpointChunk(data=b"short")


async def _sse_raises() -> AsyncIterator[EndpointChunk]:
    yield SSE
    yield EndpointChunk(data=b"data: cut in the")
    message = "the plugin's own secret"
    raise RuntimeError(message)


async def _plain_raises() -> AsyncIterator[EndpointChunk]:
    yield EndpointChunk(data=b"half")
    message = "the plugin's own secret"
    raise RuntimeError(message)


async def _early_raises() -> AsyncIterator[EndpointChunk]:
    message = "the plugin's own secret"
    if message:
        raise RuntimeError(message)
    yield SSE


async def _early_error() -> AsyncIterator[EndpointChunk]:
    yield EndpointChunk.error("not today", 503)


async def _late_error() -> AsyncIterator[EndpointChunk]:
    yield SSE
    yield EndpointChunk.error("no more")


async def _endless() -> AsyncIterator[EndpointChunk]:
    EVENTS.append("began")
    try:
        yield SSE
        while True:
            yield EndpointChunk(data=b"data: x\n\n")
            await asyncio.sleep(0.001)
    finally:
        EVENTS.append("closed")


async def _silent() -> AsyncIterator[EndpointChunk]:
    try:
        yield SSE
        EVENTS.append("silent")
        await asyncio.sleep(60)
        yield EndpointChunk(data=b"never")
    finally:
        EVENTS.append("closed")


async def _flood() -> AsyncIterator[EndpointChunk]:
    """Never waits for anything."""
    try:
        while True:
            yield EndpointChunk(data=bytes(64 << 10))
            FLOODED[0] += 1
    finally:
        EVENTS.append("closed")


FLOODED = [0]


def _yields(*chunks: Any) -> Callable[[], AsyncIterator[Any]]:
    async def stream() -> AsyncIterator[Any]:
        for chunk in chunks:
            yield chunk

    return stream


STREAMS: Mapping[str, Callable[[], AsyncIterator[Any]]] = {
    "sse": _sse,
    "plain": _plain,
    "status": _status,
    "sse-raises": _sse_raises,
    "plain-raises": _plain_raises,
    "early-raises": _early_raises,
    "early-error": _early_error,
    "late-error": _late_error,
    "endless": _endless,
    "silent": _silent,
    "flood": _flood,
    "block": _block_stream,
    "empty": _yields(),
    "garbage": _yields(b"bytes"),
    "none": _yields(None),
    "kind": _yields(EndpointChunk("nonsense")),  # type: ignore[arg-type]
    "text": _yields(EndpointChunk(data="text")),  # type: ignore[arg-type]
    "huge": _yields(EndpointChunk(data=bytes(100 << 20))),
    "head-twice": _yields(SSE, SSE),
    "bad-head": _yields(EndpointChunk.head(200, {"x-a": "1\n2"})),
    "bad-status": _yields(EndpointChunk.head(42)),
    "sse-garbage": _yields(SSE, 3),
    "no-content": _yields(EndpointChunk.head(204), EndpointChunk(data=b"ignored")),
}


class Liar(BasePlugin, CustomEndpointHandler):
    """Its methods are not what the interface says, which is seen by nobody before they are called."""

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        return [
            EndpointRegistration(path="/stream", require_auth=False, stream_response=True),
            EndpointRegistration(path="/unary", require_auth=False),
        ]

    def __getattribute__(self, name: str) -> Any:
        if name in {"handle_endpoint_request", "handle_endpoint_request_stream"}:
            return lambda _ctx, _request: [EndpointChunk()]
        return super().__getattribute__(name)
