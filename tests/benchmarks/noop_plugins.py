"""One plugin for each hook that does nothing: what the hooks themselves cost."""

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


class NoopPreAuth(BasePlugin, PreAuthHandler):
    """Allows."""

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return PluginResponse.allow()


class NoopPostAuth(BasePlugin, PostAuthHandler):
    """Allows."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.allow()


class NoopHeaders(BasePlugin, ResponseHandler):
    """Allows."""

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.allow()


class NoopBody(BasePlugin, ResponseHandler):
    """Allows."""

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.allow()
