"""Tells the vendor what the plugins before it left, for whoever looks there."""

import json

from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler


class TellMetadata(BasePlugin, PostAuthHandler):
    name = "tell-metadata"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.modify(headers=request.headers | {"X-Metadata": json.dumps(dict(ctx.metadata))})
