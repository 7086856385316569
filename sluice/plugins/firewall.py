"""Refuses prompts in which a forbidden pattern occurs.

It reads every text in the request's JSON, wherever it stands and however it is escaped, also in members that are given
twice; a pattern does not match across two texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        message = f"{pattern!r} is not a regular expression: {error}"
        raise ValueError(message) from error
    return pattern


class Config(BaseModel):
    """What is forbidden, and how it is said."""

    patterns: Annotated[tuple[Annotated[str, AfterValidator(_compiles)], ...], Field(min_length=1)]
    """Regular expressions, searched without regard to case."""
    status: Annotated[int, Field(ge=400, le=599)] = 403
    message: str = "the prompt is not allowed here"
    """The client is not told which pattern it was: that would teach how to get around it."""


class Firewall(BasePlugin[Config], PostAuthHandler):
    """Runs after authentication, so that its refusals are recorded with their app."""

    name = "firewall"
    version = "1.0.0"

    async def initialize(self, ctx: Context, config: Config) -> None:  # noqa: ARG002
        """Compile once."""
        self._patterns = [re.compile(pattern, re.IGNORECASE) for pattern in config.patterns]

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        """Block at the first match; the log says which pattern, never the prompt."""
        text = "\n".join(_texts(request.body))
        for pattern in self._patterns:
            if pattern.search(text):
                ctx.services.logger.info("prompt blocked", app_id=ctx.app_id, pattern=pattern.pattern)
                return PluginResponse.block(self.config.status, self.config.message)
        return PluginResponse.allow()


def _texts(body: bytes) -> Iterator[str]:
    """Every text of a JSON body, or the body itself where it is none."""
    try:
        value = json.loads(body, object_pairs_hook=_members)
    except (ValueError, RecursionError):
        value = body.decode("utf-8", "replace")
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, list):
            waiting += found


def _members(pairs: list[tuple[str, Any]]) -> list[Any]:
    """Values alone, and all of them: a dict would keep the last of two members of one name, a vendor may read the
    first."""
    return [value for _, value in pairs]
