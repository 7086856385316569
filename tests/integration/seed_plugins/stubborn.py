"""Hangs in its hook and in its end, and does not hear SIGTERM."""

import asyncio
import signal
from contextlib import suppress

from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


class Stubborn(BasePlugin, PostAuthHandler):
    name = "stubborn"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        ctx.services.logger.info("hangs now")
        await self.shutdown(ctx)
        return PluginResponse.allow()

    async def shutdown(self, ctx: Context) -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
