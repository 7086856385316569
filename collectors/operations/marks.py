"""Which dead letters are settled: what a redrive made of each, as the log remembers it.

A mark is a record of ``<namespace>.redrive.v1``: its key is where the letter lies, its value JSON with ``outcome``,
``job``, ``at`` and ``by``. A null value takes the mark back. Without Kafka marks lie in a journal of their own, and are
deleted with it: after the letters, which are older. Whatever is no mark is passed over and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

import orjson

from collectors.operations.log import Log
from sluice.eventlog.interface import Partition, PolledRecord, Record
from sluice.eventlog.places import COLLECTORS_FOLDER

Settled = Literal["delivered", "fallback", "passed", "filtered", "superseded"]
"""``delivered``: its collector has it, or had it already; ``fallback``: the service's fallback has it; ``passed``: a
plugin saw it and did not want it; ``filtered``: its collector does not select it any more; ``superseded``: it was
refused again, and another letter took its place."""

REDRIVE_JOURNAL = "~redrive"
"""Beside the journals of services: no entry can be called so."""

_OUTCOMES: dict[str, Settled] = {outcome: outcome for outcome in get_args(Settled)}


def letter_id(partition: Partition, offset: int) -> str:
    """What a letter is called: ``TOPIC/PARTITION/OFFSET``, or ``JOURNAL/NUMBER/OFFSET``."""
    return f"{partition.topic}/{partition.partition}/{offset}"


def place_in(letter: str) -> tuple[Partition, int] | None:
    """Where the letter with this id lies; ``None`` where it is no id."""
    parts = letter.rsplit("/", 2)
    if len(parts) != 3 or not all(part.isascii() and part.isdecimal() and len(part) < 20 for part in parts[1:]):
        return None
    return Partition(parts[0], int(parts[1])), int(parts[2])


def mark_of(topic: str, letter: str, outcome: Settled, job: str, at: str, by: str) -> Record:
    """The record that says what became of a letter."""
    value = orjson.dumps({"outcome": outcome, "job": job, "at": at, "by": by})
    return Record(topic, letter.encode(), value)


@dataclass(slots=True)
class Marks:
    """Of all letters; the last mark of one holds."""

    broken: int = 0
    """Records that are no marks."""
    _outcomes: dict[Partition, dict[int, Settled]] = field(default_factory=dict)

    def learn(self, record: PolledRecord) -> None:
        """Take one in; never raises."""
        place = place_in((record.key or b"").decode("utf-8", "replace"))
        if place is None:
            self.broken += 1
            return
        partition, offset = place
        if record.value is None:
            self._outcomes.get(partition, {}).pop(offset, None)
            return
        outcome = _outcome(record.value)
        if outcome is None:
            self.broken += 1
        else:
            self._outcomes.setdefault(partition, {})[offset] = outcome

    def outcome(self, partition: Partition, offset: int) -> Settled | None:
        """Of the letter there; ``None`` where it is open."""
        return self._outcomes.get(partition, {}).get(offset)

    def counts(self) -> Counter[Settled]:
        """How many letters have each outcome."""
        return Counter(outcome for letters in self._outcomes.values() for outcome in letters.values())

    def before(self, partition: Partition, offset: int) -> Iterator[int]:
        """The offsets of marked letters of a partition that lie before this one."""
        return (at for at in self._outcomes.get(partition, {}) if at < offset)


def _outcome(value: bytes) -> Settled | None:
    try:
        found = orjson.loads(value)
    except ValueError:
        return None
    outcome = found.get("outcome") if isinstance(found, dict) else None
    return _OUTCOMES.get(outcome) if isinstance(outcome, str) else None


async def read_marks(log: Log) -> Marks:
    """All that the log has now. Raises EventLogError."""
    marks, names = Marks(), (log.topics.redrive.name,)
    ranges = await log.ranges(names)
    if not log.is_kafka:
        own = Partition(f"{COLLECTORS_FOLDER}/{REDRIVE_JOURNAL}", 0)
        ranges = {partition: found for partition, found in ranges.items() if partition == own}
    async for _, records in log.read(ranges, names):
        for record in records:
            marks.learn(record)
    return marks
