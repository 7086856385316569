"""What is redacted, as settings: policies for bodies, rules, fields."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from sluice.privacy.patterns import MAX_PATTERN_CHARACTERS, compiled
from sluice.sdk.sensitive import SENSITIVE_KINDS

BodyPolicy = Literal["full", "redacted", "metadata", "none"]
"""``full`` as they came; ``redacted`` by rules; ``metadata`` without bodies, with sizes, types and headers; ``none``
with nothing of what was said or sent along: no headers, query, address and message either."""

Action = Literal["mask", "remove", "hash", "last4"]
RedactedField = Literal[
    "request_body", "response_body", "request_headers", "response_headers", "path", "error_message", "labels"
]
FIELDS: Final[tuple[RedactedField, ...]] = (
    "request_body", "response_body", "request_headers", "response_headers", "path", "error_message", "labels"
)  # fmt: skip

MIN_SECRET_CHARACTERS: Final = 16
_SHORTENED: Final = frozenset(("card", "iban", "phone", "key"))
"""Kinds of which four characters at the end tell enough to compare, and too little to use."""


class RuleSettings(BaseModel):
    """One rule: a kind that is known, or a pattern under a name of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", examples=["staff"])]
    """A kind that is known, such as ``email`` or ``card``, or a name of your own for ``pattern``."""
    pattern: Annotated[str, Field(max_length=MAX_PATTERN_CHARACTERS, examples=["E-[0-9]{6}"])] = ""
    """A regular expression of RE2; empty where ``name`` is a kind that is known."""
    action: Action = "mask"
    """``mask``: ``[name]`` instead, of patterns without a name ``***``; ``hash``: a keyed hash, equal where values are;
    ``last4``: their last four characters."""

    @field_validator("pattern")
    @classmethod
    def pattern_is_linear(cls, value: str) -> str:
        """What RE2 does not take would make a text that takes for ever possible."""
        if value:
            compiled(value)
        return value

    @model_validator(mode="after")
    def name_says_what(self) -> Self:
        """A kind has its own expression; a name that is none needs one."""
        if self.pattern and self.name in SENSITIVE_KINDS:
            message = f"name: {self.name!r} is a kind that is known; give the pattern another name, or remove it"
            raise ValueError(message)
        if not self.pattern and self.name not in SENSITIVE_KINDS:
            nearest = get_close_matches(self.name, SENSITIVE_KINDS, 1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are {', '.join(SENSITIVE_KINDS)}"
            message = f"name: {self.name!r} is no kind that is known; {hint} Or give it a pattern"
            raise ValueError(message)
        if self.action == "last4" and self.name not in _SHORTENED:
            message = f"action: last4 would show too much of {self.name!r}; it is for {', '.join(sorted(_SHORTENED))}"
            raise ValueError(message)
        return self


def _by_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Rule = Annotated[RuleSettings, BeforeValidator(_by_name)]


class RulesSettings(BaseModel):
    """Rules, and where they are looked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: Annotated[tuple[Rule, ...], Field(max_length=100)] = ()
    """Names of kinds, or mappings; none at all are all kinds."""
    patterns: Annotated[tuple[str, ...], Field(max_length=100, examples=[["(?i)project [a-z]+"]])] = ()
    """Patterns without a name: what they find becomes ``***``."""
    fields: Annotated[tuple[RedactedField, ...], Field(min_length=1)] = FIELDS
    """Where they are looked for."""
    hash_secret: SecretStr = SecretStr("")
    """What hashes are keyed with, so that only who has it can compare them with guesses."""

    @field_validator("patterns")
    @classmethod
    def patterns_are_linear(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """As those of rules."""
        for pattern in value:
            if not 0 < len(pattern) <= MAX_PATTERN_CHARACTERS:
                message = f"a pattern has from 1 to {MAX_PATTERN_CHARACTERS} characters"
                raise ValueError(message)
            compiled(pattern)
        return value

    @model_validator(mode="after")
    def rules_can_be_applied(self) -> Self:
        """Names differ, and there is a key where something is hashed."""
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = f"rules: {twice[0]!r} stands twice; remove one"
            raise ValueError(message)
        secret = self.hash_secret.get_secret_value()
        if any(rule.action == "hash" for rule in self.rules) and len(secret) < MIN_SECRET_CHARACTERS:
            message = (
                f"hash_secret: must have at least {MIN_SECRET_CHARACTERS} characters where a rule's action is hash, "
                "else whoever guesses a value can check it; write hash_secret: ${SLUICE_REDACTION_SECRET} and set that"
            )
            raise ValueError(message)
        return self
