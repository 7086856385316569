"""Asks the gateway what it knows, and tells the next plugins."""

from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler, ServiceError


class Asks(BasePlugin, PostAuthHandler):
    name = "asks"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        if ctx.runtime != "gateway":
            return PluginResponse.allow()
        gateway = ctx.services.gateway()
        token = request.headers.get("x-other-token", "")
        try:
            app = await gateway.get_app(ctx.app_id or 0)
            status = await gateway.get_budget_status(app.id)
            check = await gateway.validate_credential(token)
            llm = await gateway.get_llm(ctx.llm_id or 0)
        except ServiceError as error:
            return PluginResponse.block(503, f"the gateway does not say: {error}")
        found = {"name": app.name, "left": str(status.remaining_budget), "valid": str(check.valid), "of": llm.slug}
        return PluginResponse.modify(context_updates=found)
