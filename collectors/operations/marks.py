"""Which dead letters are settled: what a redrive made of each, as the log remembers it.

A mark is a record of ``<namespace>.redrive.v1``: its key is where the letter lies, its value JSON with ``outcome``,
``job``, ``at``, ``by`` and ``log``, the id of the topic or journal that the letter lies in, where that is known. One
that was made anew since has other letters at the same offsets: such a mark is passed over. A journal that was put back
from a copy has the id that it had: a letter that was appended after its mark is another one than was marked. A null
value takes the mark back. Without Kafka marks lie in a journal of their own, and are deleted with it: after the
letters, which are older. Whatever is no mark is passed over and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import orjson

from collectors.operations.log import Log
from schemas.topics import DLQ_SUFFIX
from sluice.eventlog.interface import Partition, PolledRecord, Record
from sluice.eventlog.places import COLLECTORS_FOLDER

Settled = Literal["delivered", "fallback", "passed", "filtered", "superseded"]
"""``delivered``: its collector has it, or had it already; ``fallback``: the service's fallback has it; ``passed``: a
plugin saw it and did not want it; ``filtered``: its collector does not select it any more; ``superseded``: it was
refused again, and another letter took its place."""

REDRIVE_JOURNAL = "~redrive"
"""Beside the journals of services: no entry can be called so."""
_CLOCKS_MS = 60_000
"""How far the clocks that give append times may be apart."""

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


def mark_of(topic: str, letter: str, outcome: Settled, job: str, at: str, by: str, log_id: str = "") -> Record:
    """The record that says what became of a letter, in the log of this id."""
    facts = {"outcome": outcome, "job": job, "at": at, "by": by}
    return Record(topic, letter.encode(), orjson.dumps(facts | ({"log": log_id} if log_id else {})))


class Mark(NamedTuple):
    """What became of a letter, and when the log appended that (milliseconds; 0 where it does not say)."""

    outcome: Settled
    at_ms: int


_FIRST = Mark("delivered", 0)


@dataclass(slots=True)
class Marks:
    """Of all letters; the last mark of one holds."""

    broken: int = 0
    """Records that are no marks."""
    logs: Mapping[Partition, str] = field(default_factory=dict)
    """Which logs lie where letters lie now, as far as that is known."""
    _found: dict[Partition, dict[int, Mark]] = field(default_factory=dict)
    _last: Mark = _FIRST
    """Marks come many at a time: equal ones are one object."""

    def learn(self, record: PolledRecord) -> None:
        """Take one in; never raises."""
        place = place_in((record.key or b"").decode("utf-8", "replace"))
        if place is None:
            self.broken += 1
            return
        partition, offset = place
        if record.value is None:
            self._found.get(partition, {}).pop(offset, None)
            return
        outcome, log_id = _outcome(record.value)
        if outcome is None:
            self.broken += 1
        elif not log_id or self.logs.get(partition, log_id) == log_id:
            if self._last != (outcome, record.timestamp):
                self._last = Mark(outcome, record.timestamp)
            self._found.setdefault(partition, {})[offset] = self._last

    def outcome(self, partition: Partition, offset: int, appended_ms: int) -> Settled | None:
        """Of the letter there, which the log appended then; ``None`` where it is open."""
        mark = self._found.get(partition, {}).get(offset)
        if mark is None or 0 < mark.at_ms < appended_ms - _CLOCKS_MS:
            return None
        return mark.outcome

    def counts(self) -> Counter[Settled]:
        """How many places have a mark of each outcome."""
        return Counter(mark.outcome for marks in self._found.values() for mark in marks.values())

    def before(self, partition: Partition, offset: int) -> Iterator[int]:
        """The offsets of marked letters of a partition that lie before this one."""
        return (at for at in self._found.get(partition, {}) if at < offset)


def _outcome(value: bytes) -> tuple[Settled | None, str]:
    """With the id of the letter's log; empty where the mark has none."""
    try:
        found = orjson.loads(value)
    except ValueError:
        return None, ""
    outcome, log_id = (found.get("outcome"), found.get("log")) if isinstance(found, dict) else (None, "")
    return _OUTCOMES.get(outcome) if isinstance(outcome, str) else None, log_id if isinstance(log_id, str) else ""


async def read_marks(log: Log) -> Marks:
    """All that the log has now. Raises EventLogError."""
    letters = await log.ranges([topic + DLQ_SUFFIX for topic in log.topics.events()])
    marks, names = Marks(logs=await log.reader.log_ids(letters)), (log.topics.redrive.name,)
    ranges = await log.ranges(names)
    if not log.is_kafka:
        own = Partition(f"{COLLECTORS_FOLDER}/{REDRIVE_JOURNAL}", 0)
        ranges = {partition: found for partition, found in ranges.items() if partition == own}
    async for _, records in log.read(ranges, names):
        for record in records:
            marks.learn(record)
    return marks
