"""Adds headers to what goes to the vendor, and metadata that later plugins see."""

from __future__ import annotations

import string
from typing import Annotated

from pydantic import AfterValidator, BaseModel

from sluice.sdk import BasePlugin, Context, EnrichedRequest, Headers, PluginResponse, PostAuthHandler

PLACEHOLDERS = frozenset(("app_id", "user_id", "llm_slug", "request_id", "exchange_id"))


def _known(template: str) -> str:
    names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    if names - PLACEHOLDERS:
        message = f"unknown placeholder {sorted(names - PLACEHOLDERS)}; known: {', '.join(sorted(PLACEHOLDERS))}"
        raise ValueError(message)
    return template


def _writable(headers: dict[str, str]) -> dict[str, str]:
    Headers(headers)  # refuses what may not stand in a header, before any exchange meets it
    return headers


Template = Annotated[str, AfterValidator(_known)]
"""Text with ``{app_id}``, ``{user_id}``, ``{llm_slug}``, ``{request_id}``, ``{exchange_id}``; unknown ids are empty."""


class Config(BaseModel):
    """What is added; at least the defaults change nothing."""

    headers: Annotated[dict[str, Template], AfterValidator(_writable)] = {}
    """They replace the client's own of the same name."""
    metadata: dict[str, Template] = {}


class RequestEnricher(BasePlugin[Config], PostAuthHandler):
    """Says who is calling, in the operator's words."""

    name = "request_enricher"
    version = "1.0.0"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        """Fill in the templates."""
        values = {name: _text(getattr(ctx, name)) for name in PLACEHOLDERS}
        added = {name: template.format_map(values) for name, template in self.config.headers.items()}
        metadata = {name: template.format_map(values) for name, template in self.config.metadata.items()}
        return PluginResponse.modify(headers=request.headers | added if added else None, context_updates=metadata)


def _text(value: object) -> str:
    return "" if value is None else str(value)
