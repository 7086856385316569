"""Plugins that do one thing each."""

from __future__ import annotations

from sluice.sdk import (
    BasePlugin,
    Context,
    EnrichedRequest,
    PluginRequest,
    PluginResponse,
    PostAuthHandler,
    PreAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
)


class BlockPreAuth(BasePlugin, PreAuthHandler):
    """Refuses everybody."""

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        assert ctx.app_id is None
        return PluginResponse.block(418, "not before authentication", headers={"x-why": "teapot"})


class BlockPostAuth(BasePlugin, PostAuthHandler):
    """Refuses those it knows."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.block(403, f"app {ctx.app_id}, user {request.user_id} may not")


class Answer(BasePlugin, PostAuthHandler):
    """A cache hit."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.block(200, headers={"content-type": "text/plain"}, body=b"from the cache")


class Raise(BasePlugin, PostAuthHandler):
    """Fails."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        raise ValueError("the plugin's own secret")


class BlockHeaders(BasePlugin, ResponseHandler):
    """Withholds every answer."""

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.block(451, "not for you")


class ChangeBody(BasePlugin, ResponseHandler):
    """Replaces every answer."""

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        headers = request.headers | {"x-changed": "yes"}
        return ResponseWriteResponse.modify(headers=headers, body=b"changed:" + request.body[:1])


class ChangeRequest(BasePlugin, PostAuthHandler):
    """Adds a header and replaces the body."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        body = b'{"model":"gpt-changed","messages":[]}'
        return PluginResponse.modify(headers=request.headers | {"x-added": "by a plugin"}, body=body)
