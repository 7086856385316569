"""How a start that takes half a minute tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """What is being done for one server, with bytes where something is downloaded."""

    server: str
    doing: str
    done_bytes: int | None = None
    about_bytes: int | None = None
    """How many bytes were measured for this download before; Maven's own plugins come on top the first time."""

    def __str__(self) -> str:
        if self.done_bytes is None:
            return f"{self.server}: {self.doing}"
        of_about = (
            f" of about {(self.about_bytes or 0) // 1_000_000} MB" if self.done_bytes < (self.about_bytes or 0) else ""
        )
        return f"{self.server}: {self.doing} ({self.done_bytes // 1_000_000} MB{of_about})"


Progress = Callable[[Step], None]
"""Called from the thread that starts the server, about twice a second while bytes arrive."""


def silent(step: Step) -> None:
    """For callers that show nothing."""
    del step
