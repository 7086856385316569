"""``redact`` of an entry: what its sink is not shown of the events that it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import Field

from sluice.privacy.settings import BodyPolicy, RulesSettings

if TYPE_CHECKING:
    from collectors.deliveries import Frame


class RedactSettings(RulesSettings):
    """What of an event is hidden from one sink; the log keeps it as it is."""

    bodies: BodyPolicy | None = None
    """What of bodies; by default ``redacted`` where rules or patterns are named, else ``full``."""
    apps: dict[int, BodyPolicy] = Field(default_factory=dict, max_length=100_000, examples=[{12: "metadata"}])
    """The same of single apps, by id."""
    max_body_bytes: Annotated[int | None, Field(ge=0, examples=[16384])] = None
    """Longer ones are cut between characters and flagged; ``None`` is as they were recorded."""

    @property
    def policy(self) -> BodyPolicy:
        """Of apps that ``apps`` does not name."""
        return self.bodies or ("redacted" if self.rules or self.patterns else "full")

    @property
    def has_rules(self) -> bool:
        """Whether anything is looked for in fields other than bodies."""
        return bool(self.rules or self.patterns) or "redacted" in {self.policy, *self.apps.values()}


class Redactor(Protocol):
    """Step 4 of the pipeline."""

    def apply(self, frame: Frame) -> Frame:
        """The frame as the sink may see it: the same rows in the same order, and the same delivery."""
        ...


def redactor_of(settings: RedactSettings | None) -> Redactor | None:
    """``None`` where nothing is hidden."""
    if settings is None:
        return None
    from collectors.redaction import Redaction  # noqa: PLC0415 - polars is not loaded to read settings

    return Redaction(settings)
