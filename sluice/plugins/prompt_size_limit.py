"""Refuses prompts that are larger than this gateway is willing to pay for."""

from __future__ import annotations

from pydantic import BaseModel, PositiveInt

from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler


class Config(BaseModel):
    """What is allowed."""

    max_body_bytes: PositiveInt = 64_000


class PromptSizeLimit(BasePlugin[Config], PostAuthHandler):
    """Looks at the size alone, so it costs the same for any prompt."""

    name = "prompt_size_limit"
    version = "1.0.0"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        """413 above the limit."""
        if len(request.body) <= self.config.max_body_bytes:
            return PluginResponse.allow()
        ctx.services.logger.info("prompt refused", app_id=ctx.app_id, size_bytes=len(request.body))
        return PluginResponse.block(413, "prompt is too large")
