"""Works in a gateway and on the control side, with the services of each."""

from sluice.sdk import BasePlugin, Context, EnrichedRequest, NotFound, PluginResponse, PostAuthHandler


class Anywhere(BasePlugin, PostAuthHandler):
    name = "anywhere"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        ctx.services.logger.info("processing request")
        try:
            data = await ctx.services.kv.read("config")
        except NotFound:
            data = b""
        if ctx.runtime == "gateway":
            app = await ctx.services.gateway().get_app(ctx.app_id or 0)
            return PluginResponse.modify(context_updates={"app_name": app.name, "config": data.decode()})
        llms = await ctx.services.studio().list_llms(1, 10)
        return PluginResponse.modify(context_updates={"llms": ",".join(llm.name for llm in llms)})
