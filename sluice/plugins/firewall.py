"""Refuses prompts in which a forbidden phrase occurs.

It reads every text in the request's JSON, wherever it stands and however it is escaped, also in members that are given
twice; what is no JSON is one text. A phrase does not match across two texts. ``response_firewall`` is for answers.

A regular expression with nested repetition, such as ``(a+)+$``, takes for ever on some texts, and stops the worker's
event loop meanwhile: no deadline can help. Write plain phrases where they do.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import chain
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from sluice.sdk import (
    BasePlugin,
    Context,
    EnrichedRequest,
    PluginRequest,
    PluginResponse,
    PostAuthHandler,
    PreAuthHandler,
    models_of,
    readings_of,
    texts_of,
)

Patterns = list[tuple[re.Pattern[str], str]]
"""What is searched for, and its name in the log."""

_PART_CHARACTERS = 100_000  # a long text is read in parts, as what a slow pattern costs grows with the square of it
_OVERLAP_CHARACTERS = 1_000


class Phrase(BaseModel):
    """One thing that is forbidden; white space in it, unless it is a regular expression, is any white space."""

    pattern: Annotated[str, Field(min_length=1, max_length=1000)]
    is_regex: bool = False
    description: str = ""
    """What the log calls it."""

    def compiled(self, flags: re.RegexFlag) -> re.Pattern[str]:
        """Raises ValueError."""
        words = unicodedata.normalize("NFKC", self.pattern).split()
        try:
            found = re.compile(self.pattern if self.is_regex else r"\s+".join(map(re.escape, words)), flags)
        except re.error as error:
            message = f"{self.pattern!r} is not a regular expression: {error}"
            raise ValueError(message) from error
        if found.search(""):
            message = f"{self.pattern!r} matches an empty text: it would refuse everything"
            raise ValueError(message)
        return found


class Rule(BaseModel):
    """What is forbidden to models whose name fits ``model_pattern``, e.g. ``gpt-4*``, and where no model is named."""

    model_pattern: str = "*"
    phrases: Annotated[tuple[Phrase, ...], Field(min_length=1)]
    enabled: bool = True


class Config(BaseModel):
    """What is forbidden, and how it is said."""

    rules: tuple[Rule, ...] = ()
    patterns: tuple[str, ...] = ()
    """Short for one rule, for every model, of these regular expressions."""
    case_sensitive: bool = False
    block_message: str = "the prompt is not allowed here"
    """The client is not told which phrase it was: that would teach how to get around it."""

    def phrases(self) -> list[tuple[str, re.Pattern[str], str]]:
        """Whose models, the pattern, and its name; raises ValueError."""
        short = [Rule(phrases=(Phrase(pattern=pattern, is_regex=True),)) for pattern in self.patterns]
        flags = re.NOFLAG if self.case_sensitive else re.IGNORECASE
        found = [(rule, it) for rule in (*self.rules, *short) if rule.enabled for it in rule.phrases]
        return [(rule.model_pattern, it.compiled(flags), it.description or it.pattern) for rule, it in found]

    @model_validator(mode="after")
    def forbids_something(self) -> Config:
        """A firewall without phrases would let everything pass."""
        if not self.phrases():
            message = "rules have no phrase that is enabled; say what is forbidden"
            raise ValueError(message)
        return self


class _Phrases(BasePlugin[Config]):
    version = "2.0.0"

    async def initialize(self, ctx: Context, config: Config) -> None:  # noqa: ARG002 - as the host calls it
        """Compile once."""
        self._phrases = config.phrases()

    def _decide(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        models = models_of(request)
        fitting: Patterns = [(pattern, name) for glob, pattern, name in self._phrases if _fits(models, glob)]
        found = _search(texts_of(request.body), fitting) if fitting else None
        if found is None:
            return PluginResponse.allow()
        ctx.services.logger.info("prompt blocked", app_id=ctx.app_id, pattern=found)
        message = self.config.block_message
        error = {"error": {"message": message, "type": "content_policy_violation"}}
        return PluginResponse.block(403, message, {"content-type": "application/json"}, json.dumps(error).encode())


class Firewall(_Phrases, PostAuthHandler):
    """Runs after authentication, so that its refusals are recorded with their app."""

    name = "firewall"

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        """Block at the first match; the log says which phrase, never the prompt."""
        return self._decide(ctx, request)


class PreAuthFirewall(_Phrases, PreAuthHandler):
    """The same before authentication, for those who would rather not ask who it is."""

    name = "pre_auth_firewall"

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        """As ``Firewall``."""
        return self._decide(ctx, request)


def _fits(models: list[str], glob: str) -> bool:
    return not models or any(fnmatchcase(model, glob) for model in models)


def _search(texts: Iterable[str], patterns: Patterns) -> str | None:
    """The name of a phrase that occurs."""
    for text in chain.from_iterable(map(readings_of, texts)):
        for start in range(0, len(text), _PART_CHARACTERS):
            part = text[max(0, start - _OVERLAP_CHARACTERS) : start + _PART_CHARACTERS]
            for pattern, name in patterns:
                if pattern.search(part):
                    return name
    return None
