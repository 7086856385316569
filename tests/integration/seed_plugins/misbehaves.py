"""Does what a request asks it to: hangs, raises, lies."""

import asyncio
from typing import Any

from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler


class Misbehaves(BasePlugin, PostAuthHandler):
    name = "misbehaves"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        answer: Any = PluginResponse.modify(headers=request.headers | {"X-Seen": "yes"})
        match request.headers.get("x-misbehave", ""):
            case "hang":
                await asyncio.sleep(3600)
            case "error":
                raise RuntimeError("it does not work")
            case "lie":
                answer = "a text"
        return answer  # type: ignore[no-any-return]
