"""Sends counts to the control side, where the plugin of the same name adds them up."""

import json
from collections import Counter

from sluice.sdk import (
    BasePlugin,
    Context,
    EdgePayload,
    EdgePayloadReceiver,
    EnrichedRequest,
    PluginResponse,
    PostAuthHandler,
    ServiceError,
)


class GatewayStats(BasePlugin, PostAuthHandler, EdgePayloadReceiver):
    name = "gateway-stats"

    async def initialize(self, ctx: Context, config: object) -> None:
        self.requests, self.received = 0, Counter[str]()

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        self.requests += 1
        try:
            metadata = {"metric_type": "gateway_stats"}
            await ctx.services.gateway().send_to_control_json({"requests": self.requests}, "", metadata)
        except ServiceError as error:
            ctx.services.logger.warning("stats could not be queued", error=str(error))
        return PluginResponse.allow()

    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        if payload.metadata.get("metric_type") != "gateway_stats":
            return False
        self.received[payload.edge_id] = json.loads(payload.payload)["requests"]
        await ctx.services.kv.write("stats", json.dumps(self.received).encode())
        return True
