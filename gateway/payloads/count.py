"""How many payloads of a host wait: counted in the files of its queues, so no kill makes it wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sluice.eventlog.journal.offsets import load_offset, offset_path
from sluice.eventlog.journal.tail import JournalTail
from sluice.eventlog.places import all_journals

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "delivery"
"""Who reads the queues: the one process of a host that delivers. What it has not committed waits."""
_COUNT_SECONDS = 0.1
_COUNT_SHARE = 20
"""Looking takes one twentieth of the time at most: with hundreds of queues a count is older."""


class Count:
    """How many records of a host's queues are not committed yet: counted in the files, so no kill makes it wrong."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tails: dict[Path, JournalTail] = {}
        self._counted = 0
        self._added = 0
        self._due_at = 0.0

    def added(self) -> None:
        """One more was written here."""
        self._added += 1

    def value(self) -> int:
        """What the files said at most a tenth of a second ago, and what was added here since."""
        now = time.monotonic()
        if now >= self._due_at:
            self._counted, self._added = self._look(), 0
            self._due_at = now + max(_COUNT_SECONDS, _COUNT_SHARE * (time.monotonic() - now))
        return self._counted + self._added

    def _look(self) -> int:
        present = all_journals(self._root)
        for gone in self._tails.keys() - set(present):
            self._tails.pop(gone).close()
        waiting = 0
        for directory in present:
            tail = self._tails.get(directory)
            if tail is None:
                tail = self._tails[directory] = JournalTail(directory)
            waiting += tail.lag_records(load_offset(offset_path(directory, GROUP)))
        return waiting

    def close(self) -> None:
        """Close the files."""
        for tail in self._tails.values():
            tail.close()
        self._tails.clear()
