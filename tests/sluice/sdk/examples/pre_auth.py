"""Refuses what is no POST, and whose budget is spent, before anything else happens."""

from contextlib import suppress

from sluice.sdk import BasePlugin, Context, PluginRequest, PluginResponse, PreAuthHandler, ServiceError


class OnlyPosts(BasePlugin, PreAuthHandler):
    name = "only-posts"

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        if request.method != "POST":
            return PluginResponse.block(message="Only POST requests allowed")
        if ctx.runtime == "gateway":
            with suppress(ServiceError):  # nobody is known yet, unless an earlier hook found out
                status = await ctx.services.gateway().get_budget_status(ctx.app_id or 0)
                if status.remaining_budget is not None and status.remaining_budget <= 0:
                    return PluginResponse.block(message="Budget exceeded")
        return PluginResponse.allow()
