"""Plugins for the host's tests: well-behaved ones and others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, PositiveInt

from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain, Link
from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginRequest, PluginResponse, PostAuthHandler
from sluice.sdk.capabilities import Hook
from sluice.sdk.testing import RecordingServices

LIFE: list[str] = []
"""What the plugins of this module lived through, in order; tests clear it."""


class Config(BaseModel):
    """Has a default, a rule and a secret."""

    max_body_bytes: PositiveInt = 64_000
    secret: str = ""


class Limit(BasePlugin[Config], PostAuthHandler):
    """Remembers its life."""

    async def initialize(self, ctx: Context, config: Config) -> None:
        LIFE.append(f"initialize {config.max_body_bytes} {ctx.exchange_id!r}")

    async def shutdown(self, ctx: Context) -> None:
        LIFE.append(f"shutdown {self.config.max_body_bytes}")

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        too_large = len(request.body) > self.config.max_body_bytes
        return PluginResponse.block(413, "too large") if too_large else PluginResponse.allow()


class NoHook(BasePlugin):
    """A plugin that can do nothing."""


class NeedsArguments(Limit):
    """Cannot be made by the host."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


class Exits(Limit):
    """Ends the process, or would."""

    def __init__(self) -> None:
        raise SystemExit(3)


def link(name: str, handler: Callable[..., Awaitable[Any]], **settings: Any) -> Link:
    """One plugin's place in a chain; it fails closed within a second unless told otherwise."""
    defaults: dict[str, Any] = {
        "hook": "post_auth",
        "services": RecordingServices(),
        "timeout_seconds": 1.0,
        "fails_open": False,
    }
    return Link(plugin=name, handler=handler, **{**defaults, **settings})  # type: ignore[arg-type]


def chain(*links: Link, hook: Hook = "post_auth", limits: Limits | None = None) -> Chain:
    """The chain of these links."""
    return Chain(hook, links, limits or Limits())


def answering(answer: Any) -> Callable[[Context, PluginRequest], Awaitable[Any]]:
    """A handler that always answers the same."""

    async def handler(ctx: Context, request: PluginRequest) -> Any:
        return answer

    return handler


def raising(error: BaseException) -> Callable[[Context, PluginRequest], Awaitable[Any]]:
    """A handler that always raises the same."""

    async def handler(ctx: Context, request: PluginRequest) -> Any:
        raise error

    return handler
