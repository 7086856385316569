"""A dead letter by its id: where the record lay that it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from collectors.jobs.interface import Origin, UsageError
from collectors.letter_headers import PREFIX, header_texts
from collectors.operations.dead_letters import place_of
from collectors.operations.tail import DEAD_LETTERS, topics_named
from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError, Partition, PolledRecord
from sluice.eventlog.ranges import OffsetRange


@dataclass(frozen=True, slots=True)
class LetterPlace:
    """Where the record lay that a dead letter was made of."""

    topic: str
    partition: Partition
    offset: int
    appended_ms: int


async def letter_at(origin: Origin, topics: Topics, letter: str) -> LetterPlace:
    """Of the letter with this id; raises UsageError where it is none, or none any more."""
    try:
        place, offset = place_of(letter)
    except UsageError as error:
        raise UsageError(f"--since-letter: {str(error).removeprefix('show: ')}") from error
    names = topics_named(DEAD_LETTERS, topics)
    found = (await origin.ranges(names)).get(place)
    if found is None or not found.first <= offset < found.end:
        raise UsageError(f"--since-letter: there is no {letter!r}; sluice dead-letters list shows those that there are")
    record = await _record_at(origin, names, place, offset)
    if record is None:
        raise UsageError(f"--since-letter: {letter!r} is no dead letter; sluice dead-letters list shows them")
    return _place_in(record, letter)


async def _record_at(origin: Origin, names: Sequence[str], place: Partition, offset: int) -> PolledRecord | None:
    records = origin.read({place: OffsetRange(offset, offset + 1)}, names)
    try:
        async for _, piece in records:
            return piece[0]
    except EventLogError as error:
        raise UsageError(f"--since-letter: {error}") from error
    finally:
        await records.aclose()
    return None


def _place_in(record: PolledRecord, letter: str) -> LetterPlace:
    facts = {name.removeprefix(PREFIX): value for name, value in header_texts(record).items()}
    try:
        topic, number = facts["topic"], int(facts["partition"])
        partition = Partition(facts.get("journal", topic), number)
        return LetterPlace(topic, partition, int(facts["offset"]), int(facts["timestamp"]))
    except (KeyError, ValueError) as error:
        raise UsageError(f"--since-letter: {letter!r} is no dead letter: it names no record") from error
