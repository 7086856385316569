"""A dead letter says where the record lay that it was."""

from __future__ import annotations

import pytest

from collectors.dead_letters import DeadLetters
from collectors.deliveries import Poison
from collectors.errors import Unprocessable
from collectors.jobs.choosing import Moments, choose
from collectors.jobs.interface import UsageError
from collectors.jobs.letters import LetterPlace, letter_at
from collectors.jobs.options import RangeOptions
from collectors.tracker import Lane
from sluice.eventlog.interface import Partition, PolledRecord, StoredRecord
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import TOPICS, partition_of
from tests.collectors.fakes import FakeLog, FakeSink
from tests.collectors.jobs.bench import MemoryOrigin, records

PLACE = partition_of(number=2)
DEAD = Partition(f"{PLACE.topic}.dlq", 0)


def origin(lane: Partition = PLACE) -> MemoryOrigin:
    """A log whose record 40 of a partition is a dead letter, and another that is none."""
    live = records(100, partition=2)
    poison = Poison()
    poison.add(live[40], Lane(lane), Unprocessable("bad_body"))
    [letter] = DeadLetters(FakeLog(FakeSink()), service="s", group="g", version="1").letters(poison)
    dead: list[PolledRecord] = [
        StoredRecord(DEAD.topic, 0, 0, 0, letter.key, letter.value, letter.headers),
        StoredRecord(DEAD.topic, 0, 1, 0, b"", b"", ()),
    ]
    return MemoryOrigin({PLACE: live, partition_of(number=0): records(100), DEAD: dead})


async def test_it_is_found_by_its_id() -> None:
    """Partition, offset and append time; of a journal's record the journal."""
    found, live = origin(), origin().records[PLACE][40]
    assert await letter_at(found, TOPICS, f"{DEAD.topic}/0/0") == LetterPlace(PLACE.topic, PLACE, 40, live.timestamp)
    of_journal = await letter_at(origin(Partition("gateway/w0", 0)), TOPICS, f"{DEAD.topic}/0/0")
    assert of_journal.partition.topic == "gateway/w0"


@pytest.mark.parametrize(
    ("letter", "words"),
    [
        ("x", "is no id"),
        (f"{DEAD.topic}/0/9", "sluice dead-letters list"),
        (f"{DEAD.topic}/5/0", "sluice dead-letters list"),
        (f"{DEAD.topic}/0/1", "names no record"),
    ],
)
async def test_what_is_none_is_said(letter: str, words: str) -> None:
    """Naming the option."""
    with pytest.raises(UsageError, match=r"^--since-letter: ") as refused:
        await letter_at(origin(), TOPICS, letter)
    assert words in str(refused.value)


async def test_a_job_begins_there() -> None:
    """In its partition at that very record, in the others at that moment; of its topic alone."""
    options = RangeOptions(since_letter=f"{DEAD.topic}/0/0")
    chosen = await choose(origin(), TOPICS, options, Moments.of(options))
    assert chosen.topics == (PLACE.topic,)
    assert chosen.ranges == {PLACE: OffsetRange(40, 100), partition_of(number=0): OffsetRange(40, 100)}
