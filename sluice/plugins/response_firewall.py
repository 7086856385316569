"""Withholds answers in which a forbidden phrase occurs, and ends streams before it.

Of a stream the last ``window_characters`` are held back until what follows is known; so nothing of a phrase that is
not longer goes out, wherever the vendor cut it. Which phrase it was the client is not told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, Field, field_validator, model_validator

from sluice.sdk import (
    BasePlugin,
    Context,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
    Span,
    StreamWindow,
    texts_of,
)


class Config(BaseModel):
    """What models shall not say, and what is said instead."""

    patterns: Annotated[tuple[str, ...], Field(min_length=1)]
    """Regular expressions; what ``firewall`` says of slow ones holds here too."""
    case_sensitive: bool = False
    block_message: str = "the answer is not allowed here"
    window_characters: Annotated[int, Field(ge=1, le=4096)] = 64
    """As many as the longest phrase has."""
    watch_tool_calls: bool = True
    """Whether arguments of tool calls are read too."""

    @field_validator("patterns")
    @classmethod
    def patterns_compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        """One that matches nothing at all would match everywhere."""
        for pattern in patterns:
            try:
                is_empty = re.compile(pattern).search("") is not None
            except re.error as error:
                message = f"{pattern!r} is not a regular expression: {error}"
                raise ValueError(message) from error
            if is_empty:
                message = f"{pattern!r} matches an empty text"
                raise ValueError(message)
        return patterns

    @model_validator(mode="after")
    def phrases_fit_into_the_window(self) -> Config:
        """Of a longer one the beginning would be out before its end was seen; how long others are nobody can tell."""
        longest = max((pattern for pattern in self.patterns if re.escape(pattern) == pattern), key=len, default="")
        if len(longest) > self.window_characters:
            message = f"window_characters is {self.window_characters}, and {longest!r} has {len(longest)}; give as many"
            raise ValueError(message)
        return self


class ResponseFirewall(BasePlugin[Config], ResponseHandler):
    """Reads whole answers at once, streams piece by piece."""

    name = "response_firewall"
    version = "1.0.0"
    handles_chunks = True

    async def initialize(self, ctx: Context, config: Config) -> None:  # noqa: ARG002 - as the host calls it
        """Compile once."""
        flags = re.NOFLAG if config.case_sensitive else re.IGNORECASE
        self._patterns = [re.compile(pattern, flags) for pattern in config.patterns]

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        """Block, or let pass what is decided; what is coded cannot be read, and does not pass."""
        if not request.is_stream_chunk and not request.is_event_stream:
            is_coded = request.headers.get("content-encoding", "identity") != "identity"  # asked for or not
            is_found = any(pattern.search(text) for text in texts_of(request.body) for pattern in self._patterns)
            return self._refuse(ctx) if is_coded or is_found else ResponseWriteResponse.allow()
        window = StreamWindow.of(ctx.state, self._window)
        body = window.feed(request.body, is_last=request.is_last_chunk or not request.is_stream_chunk)
        return self._refuse(ctx) if window.found else ResponseWriteResponse.modify(body=body)

    def _window(self) -> StreamWindow:
        config = self.config
        return StreamWindow(self._first, config.window_characters, with_tool_calls=config.watch_tool_calls)

    def _first(self, text: str, start: int) -> Iterator[Span]:
        """Where the first phrase stands: nothing behind it will go out."""
        matches = [match for pattern in self._patterns if (match := pattern.search(text, start))]
        if matches:
            yield Span(*min(match.span() for match in matches))

    def _refuse(self, ctx: Context) -> ResponseWriteResponse:
        ctx.services.logger.info("answer blocked", app_id=ctx.app_id)
        message = self.config.block_message
        body = json.dumps({"error": {"message": message, "type": "content_policy_violation"}}).encode()
        return ResponseWriteResponse.block(403, message, {"content-type": "application/json"}, body)
