"""Changes what the vendor answers: headers on every answer, text in whole ones.

Two plugins, because a body hook has a price that headers do not: answers are buffered, streams too.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, model_validator

from sluice.sdk import BasePlugin, Context, Headers, ResponseHandler, ResponseWriteRequest, ResponseWriteResponse

_FIRST_ERROR = 400


def _writable(headers: dict[str, str]) -> dict[str, str]:
    Headers(headers)  # refuses what may not stand in a header, before any exchange meets it
    return headers


class HeaderConfig(BaseModel):
    """Which headers the client sees."""

    add_headers: Annotated[dict[str, str], AfterValidator(_writable)] = {}
    """They replace the vendor's own of the same name."""
    remove_headers: tuple[str, ...] = ()


class ResponseModifier(BasePlugin[HeaderConfig], ResponseHandler):
    """Adds and removes headers, on streams too."""

    name = "response_modifier"
    version = "1.1.0"

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:  # noqa: ARG002
        """Remove, then add."""
        headers = request.headers.without(*self.config.remove_headers) | self.config.add_headers
        return ResponseWriteResponse.modify(headers=headers)


class BodyConfig(BaseModel):
    """What is written; at least one of them."""

    replace: dict[Annotated[str, Field(min_length=1)], str] = {}
    """Text as it stands in the JSON of the answer, in this order: what instead of what."""
    append_text: str = ""
    """Behind what the model said, in each choice."""

    @model_validator(mode="after")
    def does_something(self) -> BodyConfig:
        """An answer that is read whole for nothing is a mistake."""
        if not self.replace and not self.append_text:
            message = "replace and append_text are both empty; say what is to be changed"
            raise ValueError(message)
        return self


class ResponseBodyModifier(BasePlugin[BodyConfig], ResponseHandler):
    """Replaces and appends text in whole answers, and says so in ``X-Plugin-Modified`` and ``X-Modification-Type``."""

    name = "response_body_modifier"
    version = "1.1.0"

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:  # noqa: ARG002
        """An answer that does not change passes as it is, and so does an error."""
        if request.status_code >= _FIRST_ERROR:
            return ResponseWriteResponse.allow()
        body, done = request.body, []
        for old, new in self.config.replace.items():
            body = body.replace(old.encode(), new.encode())
        if body != request.body:
            done.append("replace")
        appended = _appended(body, self.config.append_text) if self.config.append_text else None
        if appended is not None:
            body = appended
            done.append("append")
        if not done:
            return ResponseWriteResponse.allow()
        said = {"x-plugin-modified": "true", "x-modification-type": ",".join(done)}
        return ResponseWriteResponse.modify(body=body, headers=request.headers | said)


def _appended(body: bytes, text: str) -> bytes | None:
    """A body with a text behind what was said in it; ``None`` where nothing was."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    holders = list(_endings(value)) if isinstance(value, dict) else []
    for holder, field in holders:
        holder[field] += text
    return json.dumps(value).encode() if holders else None


def _endings(value: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Where the texts of an answer end: OpenAI's choices, Anthropic's last block, the last parts of others."""
    found = [(message, "content") for message in _objects(value.get("choices"), "message")]
    found += [(choice, "text") for choice in _objects(value.get("choices"))]
    found += [(block, "text") for block in _objects(value.get("content"))[-1:]]
    for said in _objects(value.get("output")):  # OpenAI's responses
        found += [(part, "text") for part in _objects(said.get("content"))[-1:]]
    for content in _objects(value.get("candidates"), "content"):
        found += [(part, "text") for part in _objects(content.get("parts"))[-1:]]
    return [(holder, field) for holder, field in found if isinstance(holder.get(field), str)]


def _objects(items: Any, member: str = "") -> list[dict[str, Any]]:
    """The objects of a list, or those that each of them has under a name."""
    objects = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [item[member] for item in objects if isinstance(item.get(member), dict)] if member else objects
