"""Where what lies in an archive: ``<topic>/date=YYYY-MM-DD/hour=HH/<topic>-<epoch>-<partition>-<first>-<last>.<ext>``.

An hour is that in which the log appended its records, UTC. Beside its files lies its manifest, when it is complete.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from schemas.events import KINDS, Kind
from schemas.topics import Topics
from sluice.clock import at_micros

HOUR_MS = 3_600_000
MANIFEST = "manifest.json"
SCHEMAS = "schemas"
"""The folder of the schemas that events were written with, each named by its key in hex."""
SCHEMA_EXTENSION = ".avsc"
OWNER = "archive.json"
"""Names the log that is archived here."""
_FOLDER = re.compile(r"date=(?P<date>\d{4}-\d{2}-\d{2})/hour=(?P<hour>[01]\d|2[0-3])")


class Hour(NamedTuple):
    """An hour, as a number since the epoch."""

    number: int

    @classmethod
    def of_ms(cls, moment_ms: int) -> Hour:
        """The one that a moment lies in."""
        return cls(moment_ms // HOUR_MS)

    @classmethod
    def parse(cls, folder: str) -> Hour | None:
        """Of a folder's name; ``None`` where it is none."""
        match = _FOLDER.fullmatch(folder)
        if match is None:
            return None
        try:
            at = datetime.strptime(f"{match['date']}T{match['hour']}", "%Y-%m-%dT%H").replace(tzinfo=UTC)
        except ValueError:
            return None
        return cls(int(at.timestamp()) // 3_600)

    @property
    def start_ms(self) -> int:
        """Milliseconds since the epoch."""
        return self.number * HOUR_MS

    @property
    def end_ms(self) -> int:
        """When the next begins."""
        return self.start_ms + HOUR_MS

    @property
    def next(self) -> Hour:
        """The one after it."""
        return Hour(self.number + 1)

    @property
    def folder(self) -> str:
        """Below its topic's."""
        return at_micros(self.start_ms * 1_000).strftime("date=%Y-%m-%d/hour=%H")

    def __str__(self) -> str:
        return at_micros(self.start_ms * 1_000).strftime("%Y-%m-%dT%H:00Z")


_SUFFIXES = {Topics("").event(kind).name: kind for kind in KINDS}


def kind_of(topic: str) -> Kind | None:
    """The kind of a topic's events, whatever the namespace; ``None`` of all others."""
    return next((kind for suffix, kind in _SUFFIXES.items() if topic.endswith(suffix)), None)


def folder_of(topic: str, hour: Hour) -> str:
    """Where an hour's files are."""
    return f"{topic}/{hour.folder}"
