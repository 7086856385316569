"""``retention`` of ``collectors.yaml``: how much each store keeps of each event."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from collectors.sinks.settings import Duration, Size
from schemas.events import KINDS, Kind
from sluice.eventlog.settings import Section


class Limit(Section):
    """Of one kind of event in one store; whichever is exceeded first."""

    max_age: Annotated[Duration | None, Field(examples=["90d"])] = None
    """By the time of the exchange: ``90d``. Never less than the log keeps: a replay would bring it back."""
    max_bytes: Annotated[Size | None, Field(examples=["200GiB"])] = None
    """As the store counts: see the README. What the log still keeps is not deleted for it."""

    @model_validator(mode="after")
    def limits_something(self) -> Self:
        """A limit of nothing is a slip."""
        if self.max_age is None and self.max_bytes is None:
            message = "limits nothing: give max_age, max_bytes, or both"
            raise ValueError(message)
        return self


class StoreLimits(Section):
    """By kind of event; one that is not named is kept for ever."""

    proxy_log: Limit | None = None
    """Of proxy logs, which have the bodies."""
    analytics: Limit | None = None
    """Of analytics."""
    budget: Limit | None = None
    """Of budget events."""

    def of(self, kind: Kind) -> Limit | None:
        """The limit of a kind."""
        found: Limit | None = getattr(self, kind)
        return found

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Those that have one."""
        return tuple(kind for kind in KINDS if self.of(kind) is not None)


class RetentionSettings(Section):
    """What is deleted, and how often it is looked for."""

    every: Duration = 3_600.0
    """How often it is looked for what is too old or too much."""
    stores: dict[str, StoreLimits] = Field(default_factory=dict)
    """By the name of an entry with sink://elasticsearch, sink://database or sink://file; ``fallback`` is the events
    database in the data folder."""
    expired_kv: bool = True
    """Whether expired keys of plugins are deleted too."""
