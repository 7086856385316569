"""``reconcile`` of ``collectors.yaml``: how often the log is compared with what was reported and with the sinks."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from collectors.sinks.settings import Duration
from sluice.eventlog.settings import Section


class ReconcileSettings(Section):
    """What is compared beside the collectors, and when a difference is an alert."""

    every: Annotated[Duration | None, Field(examples=["1h"])] = None
    """How often; by default only ``sluice reconcile`` compares."""
    window: Duration = 86_400.0
    """Exchanges of so long ago until now are compared, each time anew."""
    grace: Duration = 900.0
    """A difference that stays for so long is an alert."""

    @model_validator(mode="after")
    def window_is_wider_than_a_turn(self) -> Self:
        """Else exchanges between two turns would never be compared."""
        if self.every is not None and self.window < self.every + self.grace:
            message = (
                f"window: {self.window:g}s is less than every and grace together ({self.every + self.grace:g}s), so a "
                "difference could leave it before it is an alert; make it that long or longer"
            )
            raise ValueError(message)
        return self
