"""Which events an entry wants, as its keys ``include``, ``exclude`` and ``sample`` say it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from sluice.eventlog.settings import Section

_MAX_ID = (1 << 63) - 1

Id = Annotated[int, Field(ge=0, le=_MAX_ID)]
"""0 is none: an event whose caller or LLM is not known."""

Glob = Annotated[str, Field(min_length=1, max_length=200)]
"""A name; ``*`` stands for anything and ``?`` for one character. Case counts."""


def _id_or_glob(value: object) -> object:
    """One message for a union of two: pydantic would report each member's."""
    is_name = isinstance(value, str) and value
    is_id = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_ID
    if not is_name and not is_id:
        message = "must be the id of an LLM, or a name of it in which * stands for anything"
        raise ValueError(message)
    return value


IdOrGlob = Annotated[int | str, BeforeValidator(_id_or_glob)]

Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
"""Of all exchanges."""


class Criteria(Section):
    """What an event must have to be meant."""

    apps: Annotated[tuple[Id, ...], Field(examples=[[7, 12]])] = ()
    """Ids of apps."""
    llms: Annotated[tuple[IdOrGlob, ...], Field(examples=[["gpt*", 3]])] = ()
    """Ids of LLMs, and globs of their slugs."""
    vendors: Annotated[tuple[Glob, ...], Field(examples=[["openai"]])] = ()
    """Names of vendors, or globs."""
    outcomes: Annotated[tuple[Glob, ...], Field(examples=[["ok", "refused_*"]])] = ()
    """Outcomes of exchanges, or globs."""

    @model_validator(mode="after")
    def names_something(self) -> Self:
        """Criteria without any would mean everything to one reader and nothing to the other."""
        if not (self.apps or self.llms or self.vendors or self.outcomes):
            message = f"names nothing; give one of {', '.join(type(self).model_fields)}, or remove it"
            raise ValueError(message)
        return self
