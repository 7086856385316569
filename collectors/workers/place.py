"""Which of several processes one is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """What a worker is told by its supervisor."""

    index: int
    """From 0; a static member of a group has it behind its ``kafka.group_instance_id``."""
    socket: Path
    """Where it serves its pages, for its supervisor alone."""
    parent: int
    """A pipe's end that is readable when the supervisor is gone, whatever ended it."""

    def options(self) -> list[str]:
        """For the command line of its process."""
        return [f"--worker={self.index}", f"--socket={self.socket}", f"--parent={self.parent}"]
