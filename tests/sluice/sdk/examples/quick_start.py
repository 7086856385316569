"""The page's quick start: a plugin with a configuration, that says who is calling in the request's headers."""

from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler


class MyGatewayPlugin(BasePlugin[dict[str, str]], PostAuthHandler):
    name = "my-gateway-plugin"
    version = "1.0.0"
    description = "Custom gateway middleware"

    async def initialize(self, ctx: Context, config: dict[str, str]) -> None:
        self.api_key = config.get("api_key", "")
        ctx.services.logger.info("plugin initialized", runtime=ctx.runtime)

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        ctx.services.logger.info("processing request", app_id=ctx.app_id, user_id=ctx.user_id, path=request.path)
        headers = request.headers | {"X-Custom-Header": "gateway-plugin", "X-App-ID": str(ctx.app_id)}
        return PluginResponse.modify(request=request.replace(headers=headers))
