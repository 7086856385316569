"""One plugin in both runtimes: the gateway's services here, the control side's there, the key-value store in both."""

import json

from sluice.sdk import (
    BasePlugin,
    Context,
    EdgePayload,
    EdgePayloadReceiver,
    EnrichedRequest,
    PluginResponse,
    PostAuthHandler,
    ServiceUnavailable,
)


class BothSides(BasePlugin, PostAuthHandler, EdgePayloadReceiver):
    name = "both-sides"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        app = await ctx.services.gateway().get_app(ctx.app_id or 0)
        found = {"runtime": ctx.runtime, "app": app.name, "edge": ctx.edge_id, "studio": await studio_of(ctx)}
        await ctx.services.gateway().send_to_control_json(found, "c-1", {"kind": "greeting"})
        return PluginResponse.allow()

    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        try:
            ctx.services.gateway()
            gateway = "there"
        except ServiceUnavailable as error:
            gateway = str(error)
        heard = {
            "sent": json.loads(payload.payload),
            "from": payload.edge_id,
            "correlation": payload.correlation_id,
            "metadata": dict(payload.metadata),
            "runtime": ctx.runtime,
            "gateway": gateway,
            "studio": await studio_of(ctx),
        }
        await ctx.services.kv.write("heard", json.dumps(heard).encode())
        return True


async def studio_of(ctx: Context) -> str:
    """The LLMs that the control side knows, or why it says nothing."""
    try:
        llms = await ctx.services.studio().list_llms(1, 100)
    except ServiceUnavailable as error:
        return str(error)
    return ",".join(llm.slug for llm in llms)
