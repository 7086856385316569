"""Plugins that act on streams, and streams for them to act on."""

from __future__ import annotations

import asyncio
from typing import Any

from sluice.sdk import BasePlugin, Context, ResponseHandler, ResponseWriteRequest, ResponseWriteResponse
from tests.gateway.flow import Flow
from tests.gateway.test_respond import DONE, Got, Vendor, ask

STREAM = "content-type: text/event-stream"
SEEN: list[ResponseWriteRequest] = []
"""What body hooks were given, in order."""


def chunk(content: str) -> bytes:
    """One event of a chat stream."""
    return b'data: {"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % content.encode()


class Look(BasePlugin, ResponseHandler):
    """Changes nothing, piece by piece."""

    handles_chunks = True

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        SEEN.append(request)
        return ResponseWriteResponse.allow()


class Label(BasePlugin, ResponseHandler):
    """Adds a header to every answer."""

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.modify(headers=request.headers | {"x-label": "yes"})


class Measure(BasePlugin, ResponseHandler):
    """Says how long every answer is, without knowing."""

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.modify(headers=request.headers | {"Content-Length": "3"})


class LookWhole(BasePlugin, ResponseHandler):
    """Changes nothing of whole bodies."""

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        SEEN.append(request)
        return ResponseWriteResponse.allow()


class Shout(BasePlugin, ResponseHandler):
    """Makes pieces larger, drops those with ``drop``, and says goodbye in its last call."""

    handles_chunks = True

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        body = request.body.replace(b"hello", b"HELLO-" * 500)
        if b"drop" in body:
            body = b""
        if request.is_last_chunk:
            body += chunk("bye")
        return ResponseWriteResponse.modify(headers={"x-too": "late"}, body=body)


class HoldBack(BasePlugin, ResponseHandler):
    """Lets nothing go before its last call."""

    handles_chunks = True

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        held = ctx.state.get("held", b"") + request.body
        ctx.state["held"] = held
        return ResponseWriteResponse.modify(body=held if request.is_last_chunk else b"")


class Censor(BasePlugin, ResponseHandler):
    """Blocks what says ``secret`` or ``cached``, fails at ``broken``, hangs at ``hang``."""

    handles_chunks = True

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        if b"broken" in request.body:
            raise ValueError("its own reason")
        if b"hang" in request.body:
            await asyncio.Event().wait()
        if b"cached" in request.body:
            return ResponseWriteResponse.block(200, body=b"an answer of its own")
        if b"secret" in request.body:
            return ResponseWriteResponse.block(451, "not for you")
        return ResponseWriteResponse.allow()


class Halve(BasePlugin, ResponseHandler):
    """Cuts the end off what says ``half``."""

    handles_chunks = True

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        body = request.body[:-9] if b"half" in request.body else request.body
        return ResponseWriteResponse.modify(body=body)


class CensorWhole(Censor):
    """The same, of whole bodies."""

    handles_chunks = False


class Rewrite(BasePlugin, ResponseHandler):
    """Replaces whole streams by a larger one of its own."""

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        body = request.body.replace(DONE, b"") + chunk("x" * 1000) * 300 + DONE
        return ResponseWriteResponse.modify(headers=request.headers | {"x-rewritten": "yes"}, body=body)


async def streamed(flow: Flow, **more: Any) -> Got:
    """One chat stream."""
    return await ask(flow, stream=True, **more)


def cuts_of(vendor: Vendor, body: bytes, cuts: int, *headers: str) -> None:
    """The next answer is this stream."""
    vendor.answer(body, STREAM, *headers, cuts=cuts)
