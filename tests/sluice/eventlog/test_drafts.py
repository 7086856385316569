"""Drafts: events that are encoded together, or when somebody looks; one that cannot be is no harm to others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import EncodedEvent
from sluice.eventlog.drafts import Draft, encode_drafts
from sluice.eventlog.interface import CommitFailedError, CommitTimeoutError
from sluice.eventlog.journal.disk import Disk
from sluice.eventlog.modes import DurableLog, FastLog
from sluice.eventlog.settings import LogSettings
from tests.sluice.eventlog.journal.making import begun, exchange, ids_in, ids_of, opened


class Encoder:
    """Has the events already; ``None`` stands for what cannot be encoded. Remembers what was asked for together."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def build_all(self, subjects: Sequence[Any]) -> Sequence[Sequence[EncodedEvent]]:
        """Each as it is, or an error."""
        self.asked.append(len(subjects))
        if None in subjects:
            message = "no events"
            raise LookupError(message)
        return subjects


def test_a_draft_is_the_events_of_its_exchange_encoded_once() -> None:
    """At the first look, whatever it is; never again."""
    encoder, events = Encoder(), exchange()
    draft = Draft(encoder, events)
    assert (encoder.asked, draft.encoded) == ([], None)
    assert [*draft] == events
    assert (len(draft), draft[0], draft[1:]) == (3, events[0], events[1:])
    encode_drafts([draft])
    assert encoder.asked == [1]


def test_those_of_one_builder_are_encoded_together() -> None:
    """In one call for each builder, without what is encoded already."""
    first, second = Encoder(), Encoder()
    exchanges = [exchange() for _ in range(4)]
    drafts = [Draft(*each) for each in zip((first, second, first, first), exchanges, strict=True)]
    assert drafts[3].events()
    encode_drafts(drafts)
    assert (first.asked, second.asked) == ([1, 2], [1])
    assert [draft.encoded for draft in drafts] == exchanges


def test_a_draft_that_is_encoded_keeps_nothing_else() -> None:
    """Not the exchange with its bodies: mode ``fast`` keeps drafts, and bounds memory by their events' bytes."""
    encoder = Encoder()
    looked_at, together = Draft(encoder, exchange()), Draft(encoder, exchange())
    assert len(looked_at) == 3
    encode_drafts([together])
    assert (looked_at.subject, together.subject) == (None, None)
    assert (len(looked_at), len(together)) == (3, 3)


def test_one_that_cannot_be_encoded_fails_alone() -> None:
    """It has its error; the others of its builder have their events."""
    encoder = Encoder()
    drafts = [Draft(encoder, subject) for subject in (exchange(), None, exchange())]
    encode_drafts(drafts)
    assert [draft.encoded is None for draft in drafts] == [False, True, False]
    assert [type(draft.error) for draft in drafts] == [type(None), LookupError, type(None)]
    with pytest.raises(LookupError, match="no events"):
        len(drafts[1])


@pytest.mark.parametrize("sync", ["none", "full"])
async def test_a_journal_encodes_a_turn_s_drafts_together_and_in_order(tmp_path: Path, sync: str) -> None:
    """Whoever cannot be encoded is told why, in either way of writing; between drafts and after them all is written."""
    journal = begun(tmp_path, sync=sync)
    encoder, exchanges = Encoder(), [exchange() for _ in range(4)]
    alone = journal.submit(Draft(encoder, None))
    with pytest.raises(LookupError, match="no events"):
        await alone
    first, *others = [
        journal.submit(Draft(encoder, exchanges[0])),
        journal.submit(exchanges[1]),
        journal.submit(Draft(encoder, None)),
        journal.submit(Draft(encoder, exchanges[2])),
    ]
    assert await first > 0
    assert await others[0] < await others[2]
    with pytest.raises(LookupError, match="no events"):
        await others[1]
    if sync == "none":
        assert encoder.asked == [1, 3, 1, 1, 1]  # the one alone; then the turn's, and again each alone
    assert await journal.append(Draft(encoder, exchanges[3])) == journal.next_offset
    await journal.close()
    assert ids_in(tmp_path) == ids_of(exchanges)


async def test_a_builder_that_forgets_one_stops_no_journal(tmp_path: Path) -> None:
    """Whoever waits is told, and nobody gets another's events; what comes later is written."""

    class Forgetful:
        def build_all(self, subjects: Sequence[Any]) -> Sequence[Sequence[EncodedEvent]]:
            return subjects[1:]

    journal, events, builder = begun(tmp_path), exchange(), Forgetful()
    forgotten = [journal.submit(Draft(builder, exchange())) for _ in range(2)]
    written = journal.submit(events)
    async with asyncio.timeout(20):
        for each in forgotten:
            with pytest.raises(ValueError, match="unpack"):
                await each
        assert await written == journal.next_offset
    await journal.close()
    assert ids_in(tmp_path) == ids_of([events])


async def test_a_draft_that_waits_for_a_stuck_disk_is_told_and_written_at_most_once(tmp_path: Path) -> None:
    """The one in the thread may be there yet; the one behind it is not, and is its waiter's to encode."""
    hang = threading.Event()

    class SlowDisk(Disk):
        def sync(self, descriptor: int) -> None:
            hang.wait(60)
            super().sync(descriptor)

    hang.set()
    journal = begun(tmp_path, disk=SlowDisk(), sync="full", commit_timeout_seconds=1)
    hang.clear()
    encoder, exchanges = Encoder(), [exchange() for _ in range(4)]
    late = journal.submit(Draft(encoder, exchanges[0]))
    await asyncio.sleep(0)  # now it is in the thread
    never = Draft(encoder, exchanges[1])
    refused = journal.submit(never)
    with pytest.raises(CommitTimeoutError):
        await late
    with pytest.raises(CommitFailedError):
        await refused
    assert never.encoded is None
    last, left = journal.submit(Draft(encoder, exchanges[2])), journal.submit(Draft(encoder, exchanges[3]))
    left.cancel()
    hang.set()
    await last
    await journal.close()
    assert ids_in(tmp_path) == ids_of([exchanges[0], *exchanges[2:]])


async def test_a_closed_journal_encodes_nothing(tmp_path: Path) -> None:
    """It refuses before."""
    journal, encoder = opened(tmp_path), Encoder()
    await journal.close()
    with pytest.raises(CommitFailedError, match="closed"):
        await journal.append(Draft(encoder, exchange()))
    assert encoder.asked == []


async def test_drafts_are_written_in_every_mode_without_kafka(tmp_path: Path) -> None:
    """``durable`` encodes with the group, ``fast`` where it counts memory."""
    journal, encoder, exchanges = begun(tmp_path), Encoder(), [exchange(), exchange()]
    await DurableLog(journal).commit(Draft(encoder, exchanges[0]))
    fast = FastLog(journal, LogSettings())
    await fast.commit(Draft(encoder, exchanges[1]))
    assert journal.counters.unflushed_bytes == sum(len(event.tail) for event in exchanges[1])
    with pytest.raises(LookupError, match="no events"):
        await fast.commit(Draft(encoder, None))
    await fast.close()
    await journal.close()
    assert ids_in(tmp_path) == ids_of(exchanges)
