"""Adds to what goes to the vendor: an instruction for the model, headers, and metadata that later plugins see."""

from __future__ import annotations

import json
import string
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel

from sluice.sdk import BasePlugin, Context, EnrichedRequest, Headers, PluginResponse, PostAuthHandler

_PRINTABLE = string.punctuation.replace("%", "") + " "  # others are percent-encoded: a header takes no Łukasz
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

    additional_instruction: str = ""
    """Appended to the last message of the user, as it stands."""
    headers: Annotated[dict[str, Template], AfterValidator(_writable)] = {}
    """They replace the client's own of the same name."""
    metadata: dict[str, Template] = {}


class RequestEnricher(BasePlugin[Config], PostAuthHandler):
    """Says what the operator wants said, and who is calling."""

    name = "request_enricher"
    version = "1.1.0"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        """Fill in the templates; a body without a message of a user stays as it is."""
        values = {name: _text(getattr(ctx, name)) for name in PLACEHOLDERS} | {"user_id": request.user_id}
        in_header = {name: quote(value, safe=_PRINTABLE) for name, value in values.items()}
        added = {name: template.format_map(in_header) for name, template in self.config.headers.items()}
        metadata = {name: template.format_map(values) for name, template in self.config.metadata.items()}
        instruction = self.config.additional_instruction
        body = _instructed(request.body, instruction) if instruction else None
        return PluginResponse.modify(
            headers=request.headers | added if added else None, body=body, context_updates=metadata
        )


def _instructed(body: bytes, instruction: str) -> bytes | None:
    """A body with an instruction at the end of its last user message; ``None`` where there is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    for name in ("messages", "contents", "input", "prompt"):  # OpenAI and Anthropic, Google, two of OpenAI's
        asked = value.get(name)
        if isinstance(asked, str):
            value[name] = _joined(asked, instruction)
            return json.dumps(value).encode()
        objects = [item for item in asked if isinstance(item, dict)] if isinstance(asked, list) else []
        messages = [message for message in objects if message.get("role", "user") == "user"]
        if messages and _append(messages[-1], instruction, "input_text" if name == "input" else "text"):
            return json.dumps(value).encode()
    return None


def _append(message: dict[str, Any], instruction: str, kind: str) -> bool:
    if isinstance(message.get("content"), str):
        message["content"] = _joined(message["content"], instruction)
    elif isinstance(message.get("content"), list):
        message["content"].append({"type": kind, "text": instruction})
    elif isinstance(message.get("parts"), list):
        message["parts"].append({"text": instruction})
    else:
        return False
    return True


def _joined(text: str, instruction: str) -> str:
    return f"{text}\n\n{instruction}"


def _text(value: object) -> str:
    return "" if value is None else str(value)
