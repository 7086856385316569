"""Which journal it is: one that is made anew in the same folder has the same name and offsets, and another id."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from sluice.eventlog.journal.offsets import replace_file

IDENTITY_FILE = "identity"


def journal_id(directory: Path) -> str:
    """The id of the journal there; empty where it has none yet."""
    try:
        return str(uuid.UUID((directory / IDENTITY_FILE).read_text("ascii").strip()))
    except (OSError, ValueError):
        return ""


def ensure_identity(directory: Path) -> None:
    """Give the journal an id where it has none; by who holds its lock. Durable before the first record is."""
    if journal_id(directory):
        return
    path = directory / IDENTITY_FILE
    replace_file(path, f"{uuid.uuid4()}\n".encode())
    for each in (path, directory):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
