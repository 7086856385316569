"""``--dry-run``: a sink that takes everything and keeps nothing."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.deliveries import Frame
from collectors.sinks.interface import Prepared, Verdict


class NoSink:
    """Counts are made on the way: what comes here has been counted."""

    async def start(self) -> None:
        """Nothing is reached."""

    def prepare(self, frame: Frame) -> Prepared[None]:
        """No document is made."""
        return Prepared([None] * len(frame.delivery))

    async def write(self, documents: Sequence[None]) -> Verdict:  # noqa: ARG002 - none is kept
        """All goes well."""
        return Verdict()

    async def check(self) -> None:
        """It always answers."""

    async def close(self) -> None:
        """Nothing is open."""
