"""Refuses whose budget is spent before authentication: finds the app by the credential itself."""

from sluice.sdk import BasePlugin, Context, PluginRequest, PluginResponse, PreAuthHandler


class BudgetGate(BasePlugin, PreAuthHandler):
    name = "budget-gate"

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        gateway = ctx.services.gateway()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        found = await gateway.validate_credential(token)
        if found.valid and found.app_id is not None:
            status = await gateway.get_budget_status(found.app_id)
            if status.remaining_budget is not None and status.remaining_budget <= 0:
                return PluginResponse.block(message="Budget exceeded")
        return PluginResponse.allow()
