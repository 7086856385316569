"""Changes what the vendor answers: headers on every answer, text in whole ones.

Two plugins, because a body hook has a price that headers do not: answers are buffered, and streams refused.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from sluice.sdk import BasePlugin, Context, Headers, ResponseHandler, ResponseWriteRequest, ResponseWriteResponse


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
    version = "1.0.0"

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:  # noqa: ARG002
        """Remove, then add."""
        headers = request.headers.without(*self.config.remove_headers) | self.config.add_headers
        return ResponseWriteResponse.modify(headers=headers)


class BodyConfig(BaseModel):
    """What is written instead of what."""

    replace: Annotated[dict[str, str], Field(min_length=1)]
    """Text as it stands in the JSON of the answer, in this order."""


class ResponseBodyModifier(BasePlugin[BodyConfig], ResponseHandler):
    """Replaces text in whole answers."""

    name = "response_body_modifier"
    version = "1.0.0"

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:  # noqa: ARG002
        """Bytes for bytes; an answer without the text passes unchanged."""
        body = request.body
        for old, new in self.config.replace.items():
            body = body.replace(old.encode(), new.encode())
        return ResponseWriteResponse.allow() if body is request.body else ResponseWriteResponse.modify(body=body)
