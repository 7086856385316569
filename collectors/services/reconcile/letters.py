"""Dead letters, by the event that each is of: why a collector never stored it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from collectors.jobs.interface import Origin
from collectors.letter_headers import PREFIX, REDRIVES, header_texts
from collectors.services.reconcile.reports import since
from schemas.cloudevents import EVENT_ID
from schemas.events import SUFFIXES, Kind
from schemas.topics import Topics
from sluice.eventlog.interface import PolledRecord

_COLLECTOR, _REASON = f"{PREFIX}collector", f"{PREFIX}error.type"


class Letter(NamedTuple):
    """Why, and how often it was tried again."""

    reason: str
    redrives: str = ""

    def __str__(self) -> str:
        return f"{self.reason}, redriven {self.redrives} times" if self.redrives else self.reason


class Letters:
    """Of one reading; some 200 bytes each."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Letter] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, event_id: str, collector: str, letter: Letter) -> None:
        """The newest counts."""
        self._found[event_id, collector] = letter

    def of(self, event_id: str, collectors: Collection[str]) -> Letter | None:
        """What any of these collectors buried it for."""
        found = (self._found.get((event_id, collector)) for collector in collectors)
        return next((letter for letter in found if letter is not None), None)


async def read_letters(origin: Origin, topics: Topics, kinds: Collection[Kind], begin_ms: int) -> Letters:
    """All that were appended since a moment. Raises EventLogError."""
    suffixes = {topics.event(kind).dead_letters().name: SUFFIXES[kind] for kind in kinds}
    letters = Letters()
    ranges = await since(origin, await origin.ranges(list(suffixes)), begin_ms)
    async for _, records in origin.read(ranges, list(suffixes)):
        for record in records:
            headers = header_texts(record)
            letter = Letter(headers.get(_REASON, "unknown"), headers.get(REDRIVES, ""))
            letters.add(_event_id(record, headers, suffixes), headers.get(_COLLECTOR, ""), letter)
    return letters


def _event_id(record: PolledRecord, headers: Mapping[str, str], suffixes: Mapping[str, str]) -> str:
    """A letter that was too large lost its header; its key is the exchange."""
    return headers.get(EVENT_ID) or (record.key or b"").decode("utf-8", "replace") + suffixes[record.topic]
