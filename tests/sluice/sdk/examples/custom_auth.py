"""Example 1: proves callers by a token of its own."""

import hmac

from sluice.sdk import AuthHandler, AuthRequest, BasePlugin, Context, Credential, PluginResponse


class CustomAuthPlugin(BasePlugin[dict[str, str]], AuthHandler):
    name = "custom-auth"
    version = "1.0.0"
    description = "Custom token authentication plugin"

    async def initialize(self, ctx: Context, config: dict[str, str]) -> None:
        self.valid_token = config.get("valid_token") or "default-token"

    async def handle_auth(self, ctx: Context, request: AuthRequest) -> Credential | PluginResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(token.encode(), self.valid_token.encode()):
            ctx.services.logger.info("authentication successful", request_id=ctx.request_id)
            claims = {"source": "custom-auth-plugin"}
            return Credential(user_id="plugin-user", username="Plugin User", claims=claims)
        ctx.services.logger.warning("authentication failed", request_id=ctx.request_id, token_provided=token != "")
        return PluginResponse.block(401, "Invalid token", headers={"WWW-Authenticate": "Bearer"})
