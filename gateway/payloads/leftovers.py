"""Queues whose worker or plugin is no more: removed once nothing waits in them."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.payloads.count import GROUP
from gateway.payloads.queue import making_or_removing
from sluice.eventlog.journal.lock import LOCK_FILE, FileLock, JournalBusyError, is_held
from sluice.eventlog.journal.offsets import load_offset, offset_path
from sluice.eventlog.journal.tail import JournalTail
from sluice.eventlog.places import all_journals

if TYPE_CHECKING:
    from pathlib import Path


def remove_leftovers(root: Path) -> None:
    """Of a host's queues. For who delivers, before anything is read: a reader would take a queue that is made anew for
    the one that it knew. Raises OSError."""
    with making_or_removing(root):
        for directory in all_journals(root):
            if not is_held(directory / LOCK_FILE):  # else its worker lives
                with suppress(JournalBusyError, OSError):  # another time
                    _remove_if_left(directory)


def _remove_if_left(directory: Path) -> None:
    lock = FileLock(directory / LOCK_FILE, "")
    try:
        if not _waits(directory):
            shutil.rmtree(directory)
            directory.parent.rmdir()  # where it was the last of its worker
    finally:
        lock.release()


def _waits(directory: Path) -> bool:
    tail = JournalTail(directory)
    try:
        return tail.lag_records(load_offset(offset_path(directory, GROUP))) > 0
    finally:
        tail.close()
