"""Plugins of a worker for tests: made as a file or the API has them, attached, and alive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway.control.entities import Attachment, LlmEntity, PluginEntity
from gateway.plugins import WorkerPlugins
from gateway.settings import Settings
from gateway.snapshot import Chains
from sluice.sdk import (
    AuthHandler,
    AuthRequest,
    AuthResponse,
    BasePlugin,
    Context,
    CustomEndpointHandler,
    EdgePayload,
    EdgePayloadReceiver,
    EndpointRegistration,
    EnrichedRequest,
    PluginRequest,
    PluginResponse,
    PostAuthHandler,
    PreAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
    StreamCompleteHandler,
    StreamCompleteRequest,
)

LIVES: list[str] = []


class Config(BaseModel):
    """Who it is, and how it starts."""

    label: str = "?"
    fails: bool = False
    size: int = 0


class Living(BasePlugin[Config], PostAuthHandler):
    """Says when it lives; answers with as many bytes as it is told."""

    async def initialize(self, ctx: Context, config: Config) -> None:
        LIVES.append(f"+{config.label}")
        if config.fails:
            raise ValueError("no database")

    async def shutdown(self, ctx: Context) -> None:
        LIVES.append(f"-{self.config.label}")

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.modify(body=b"x" * self.config.size)


class Early(BasePlugin, PreAuthHandler):
    """Acts at one hook alone."""

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return PluginResponse.allow()


class EarlyAndLate(Living, PreAuthHandler):
    """Acts before and after the app is known."""

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return PluginResponse.allow()


class Everywhere(Living, AuthHandler, ResponseHandler, StreamCompleteHandler):
    """Acts at nearly every hook."""

    async def handle_auth(self, ctx: Context, request: AuthRequest) -> AuthResponse:
        return AuthResponse.accept()

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.allow()

    async def on_stream_complete(self, ctx: Context, request: StreamCompleteRequest) -> None:
        """Nothing."""


class Door(Living, CustomEndpointHandler, EdgePayloadReceiver):
    """Answers HTTP, and takes payloads."""

    async def get_endpoint_registrations(self) -> list[EndpointRegistration]:
        return [EndpointRegistration(path="/")]

    async def accept_edge_payload(self, ctx: Context, payload: EdgePayload) -> bool:
        return True


OF_A_FILE = """
from sluice.sdk import BasePlugin, PreAuthHandler, PluginResponse

class Local(BasePlugin, PreAuthHandler):
    async def handle_pre_auth(self, ctx, request):
        return PluginResponse.allow()
"""


def plugin(name: str, kind: str = "Living", **config: Any) -> dict[str, Any]:
    """A registration."""
    command = kind if kind.endswith(".py") else f"python://{__name__}:{kind}"
    return {"name": name, "command": command, "config": config}


def settings(plugins: list[dict[str, Any]], gateway: dict[str, Any] | None = None, **chains: list[str]) -> Settings:
    """Each LLM with its plugins."""
    llms = [
        {"id": at, "slug": slug, "base_url": "http://a", "plugins": names}
        for at, (slug, names) in enumerate(chains.items(), 1)
    ]
    numbered = [registration | {"id": at} for at, registration in enumerate(plugins, 1)]
    return Settings.model_validate({"plugins": numbered, "llms": llms, "gateway": gateway or {}})


def entity(plugin_id: int, label: str, **values: Any) -> PluginEntity:
    """A plugin that was made over the API."""
    config = {"label": label, **values.pop("config", {})}
    command = f"python://{__name__}:{values.pop('kind', 'Living')}"
    return PluginEntity(id=plugin_id, name=label, slug=label, command=command, config=config, **values)


def attached(llm_id: int, *attachments: Attachment, **values: Any) -> LlmEntity:
    """An LLM with these plugins."""
    name = f"llm-{llm_id}"
    return LlmEntity(
        id=llm_id, slug=name, name=name, vendor="openai", endpoint="http://a", attachments=attachments, **values
    )


def by_id(*made: Any) -> dict[int, Any]:
    """Entities, by their ids."""
    return {each.id: each for each in made}


class Worker:
    """Plugins of a worker whose configuration changes."""

    def __init__(self) -> None:
        self.plugins = WorkerPlugins()

    async def start(self, llms: list[LlmEntity], plugins: list[PluginEntity]) -> None:
        """Begin with these."""
        await self.plugins.start(Settings(), Path(), by_id(*llms), by_id(*plugins))

    async def change(self, llms: list[LlmEntity], plugins: list[PluginEntity]) -> None:
        """Go on with these, and let go of others."""
        self.plugins.take(by_id(*plugins))
        await self.plugins.retire(await self.plugins.reconcile(by_id(*llms)))

    def chains(self, llm: LlmEntity) -> Chains:
        """Of an LLM whose plugins are there."""
        chains = self.plugins.chains(llm)
        assert chains is not None
        return chains
