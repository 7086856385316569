"""Plugins with lives of their own, good and bad, and hosts for them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

from sluice.plugin_host.answers import Limits
from sluice.plugin_host.host import PluginHost
from sluice.plugin_host.registration import Instance, PluginRegistration
from sluice.sdk import (
    AuthHandler,
    AuthRequest,
    AuthResponse,
    BasePlugin,
    Context,
    CustomEndpointHandler,
    EndpointRegistration,
    EnrichedRequest,
    PluginResponse,
    PostAuthHandler,
    PreAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
)
from sluice.sdk.messages import PluginRequest
from tests.sluice.plugin_host.plugins import LIFE, Limit


class Everything(BasePlugin, PreAuthHandler, PostAuthHandler, ResponseHandler):
    """Acts everywhere but on whole bodies."""

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return PluginResponse.block(401, "pre")

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.block(403, "post")

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.allow()


class RefusesToStart(Limit):
    """Says at its start that it cannot serve."""

    async def initialize(self, ctx: Context, config: Any) -> None:
        raise ValueError("no licence")


class ExitsAtStart(Limit):
    """Would end the process at its start."""

    async def initialize(self, ctx: Context, config: Any) -> None:
        raise SystemExit(3)


class HangsAtStart(Limit):
    """Never finishes starting."""

    async def initialize(self, ctx: Context, config: Any) -> None:
        LIFE.append("hangs")
        await asyncio.get_running_loop().create_future()


class Heals(Limit):
    """Cannot start while what it needs is away."""

    away: ClassVar[list[str]] = []

    async def initialize(self, ctx: Context, config: Any) -> None:
        LIFE.append("tries")
        if self.away:
            raise OSError(self.away[0])


class FailsAtEnd(Limit):
    """Cannot be shut down."""

    async def shutdown(self, ctx: Context) -> None:
        raise SystemExit(3)


class HangsAtEnd(Limit):
    """Never finishes ending."""

    async def shutdown(self, ctx: Context) -> None:
        await asyncio.get_running_loop().create_future()


class Authenticates(BasePlugin, AuthHandler):
    """Takes everybody."""

    async def handle_auth(self, ctx: Context, request: AuthRequest) -> AuthResponse:
        return AuthResponse.accept()


class WholeBodies(BasePlugin, ResponseHandler):
    """Reads streams to their end."""

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.allow()


class Pieces(WholeBodies):
    """Reads streams as they come."""

    handles_chunks = True


class Endpoints(BasePlugin, CustomEndpointHandler):
    """Answers HTTP."""

    async def get_endpoint_registrations(self) -> list[EndpointRegistration]:
        return [EndpointRegistration(path="/")]


def registration(kind: type[BasePlugin[Any]], name: str = "", **values: Any) -> PluginRegistration:
    """A plugin of this process."""
    command = f"python://{kind.__module__}:{kind.__name__}"
    return PluginRegistration.model_validate({"id": 1, "name": name or kind.__name__, "command": command, **values})


def limit(name: str, size: int, **values: Any) -> PluginRegistration:
    """A plugin that remembers its life by the size it allows."""
    return registration(Limit, name, config={"max_body_bytes": size}, **values)


def instances(*registrations: PluginRegistration) -> list[Instance]:
    """One of each, by its name."""
    return [Instance(registration.name, registration) for registration in registrations]


async def started(*registrations: PluginRegistration, limits: Limits | None = None) -> PluginHost:
    """A host that serves these."""
    host = PluginHost(Path(), limits)
    await host.start(instances(*registrations))
    return host
