"""Plugins that look at what passes the bridge."""

from __future__ import annotations

from sluice.sdk import (
    BasePlugin,
    Context,
    EnrichedRequest,
    PluginResponse,
    PostAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
)

REQUESTS: list[EnrichedRequest] = []
PIECES: list[bytes] = []


class See(BasePlugin, PostAuthHandler):
    """Keeps requests."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        REQUESTS.append(request)
        return PluginResponse.allow()


class Shout(BasePlugin, ResponseHandler):
    """Makes an answer louder, piece by piece."""

    handles_chunks = True

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        PIECES.append(request.body)
        return ResponseWriteResponse.modify(body=request.body.replace(b"vendor", b"VENDOR"))


class ShoutWhole(Shout):
    """The same of whole bodies, streams too."""

    handles_chunks = False


class Stop(BasePlugin, ResponseHandler):
    """Blocks at a word."""

    handles_chunks = True

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return (
            ResponseWriteResponse.block(451, "not for you")
            if b"vendor" in request.body
            else (ResponseWriteResponse.allow())
        )
