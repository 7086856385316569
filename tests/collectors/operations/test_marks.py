"""Marks say which dead letters are settled, and nothing that is no mark keeps anybody from reading them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.operations.marks import REDRIVE_JOURNAL, Marks, letter_id, mark_of, place_in, read_marks
from sluice.eventlog.interface import Partition, Record, StoredRecord
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.places import collector_journal
from sluice.eventlog.settings import JournalSettings
from tests.collectors.operations.benches import log_of
from tests.contracts.eventlog_laws import JournalBench, KafkaBench, on_durable_logs

PLACE = Partition("sluice.analytics.v1.dlq", 3)


def stored(record: Record) -> StoredRecord:
    """As it comes back."""
    return StoredRecord(record.topic, 0, 0, 0, record.key, record.value)


def mark(offset: int, outcome: str = "delivered") -> Record:
    """Of a letter of one place."""
    return mark_of("t", letter_id(PLACE, offset), outcome, "job", "2026-11-26T00:00:00Z", "me")  # type: ignore[arg-type]


def test_the_last_mark_of_a_letter_holds() -> None:
    """A null value takes it back; counts are of what holds."""
    marks = Marks()
    for record in (mark(1), mark(2), mark(1, "superseded"), Record("t", letter_id(PLACE, 2).encode(), None)):
        marks.learn(stored(record))
    assert [marks.outcome(PLACE, offset, 0) for offset in (1, 2, 3)] == ["superseded", None, None]
    assert marks.counts() == {"superseded": 1}
    assert list(marks.before(PLACE, 1)) == []
    assert list(marks.before(PLACE, 2)) == [1]


def test_a_mark_is_of_one_log() -> None:
    """A letter at the same place of a log that was made anew is open; where the mark or the log has no id, it holds."""
    marks = Marks(logs={PLACE: "new"})
    for offset, log_id in ((1, "old"), (2, "new"), (3, "")):
        marks.learn(stored(mark_of("t", letter_id(PLACE, offset), "delivered", "job", "now", "me", log_id)))
    assert [marks.outcome(PLACE, offset, 0) for offset in (1, 2, 3)] == [None, "delivered", "delivered"]
    unknown = Marks()
    unknown.learn(stored(mark_of("t", letter_id(PLACE, 1), "delivered", "job", "now", "me", "old")))
    assert unknown.outcome(PLACE, 1, 0) == "delivered"


@pytest.mark.parametrize(
    ("appended_ms", "outcome"), [(1_000_000, "delivered"), (1_060_000, "delivered"), (1_060_001, None)]
)
def test_a_letter_that_came_after_its_mark_is_another(appended_ms: int, outcome: str | None) -> None:
    """A journal that was put back from a copy has its id, and gives the offsets behind the copy's end to new letters:
    they are open. Clocks may be a minute apart; a mark without an append time holds."""
    marks, record = Marks(logs={PLACE: "one"}), mark_of("t", letter_id(PLACE, 1), "delivered", "job", "at", "me", "one")
    marks.learn(StoredRecord("t", 0, 0, 1_000_000, record.key, record.value))
    assert marks.outcome(PLACE, 1, appended_ms) == outcome
    marks.learn(stored(record))
    assert marks.outcome(PLACE, 1, appended_ms) == "delivered"


@given(st.binary() | st.none(), st.binary() | st.none())
def test_whatever_is_no_mark_is_counted(key: bytes | None, value: bytes | None) -> None:
    """And settles nothing."""
    marks = Marks()
    marks.learn(StoredRecord("t", 0, 0, 0, key, value))
    assert not marks.counts()


@pytest.mark.parametrize(
    "value", [b"", b"null", b"[]", b"{}", b'{"outcome": 7}', b'{"outcome": "open"}', b'{"outcome": []}']
)
def test_values_that_are_none(value: bytes) -> None:
    """Each is one more that is broken; the letter stays open."""
    marks = Marks()
    marks.learn(StoredRecord("t", 0, 0, 0, letter_id(PLACE, 1).encode(), value))
    assert (marks.broken, marks.outcome(PLACE, 1, 0)) == (1, None)


@pytest.mark.parametrize("text", ["", "a", "a/b/c", "a/1", "a/1/-2", "a/1/2 ", "a/٣/1", "a/1/" + "9" * 5_000])
def test_what_is_no_id(text: str) -> None:
    """Numbers are plain digits, and bounded."""
    assert place_in(text) is None


def test_ids_are_read_as_they_are_written() -> None:
    """Of topics and of journals, whose names hold slashes."""
    for place in (PLACE, Partition("collectors/audit", 0)):
        assert place_in(letter_id(place, 1 << 62)) == (place, 1 << 62)


@on_durable_logs()
async def test_they_are_read_from_the_log(bench: JournalBench) -> None:
    """Of Kafka from their topic; without it from the redrive's own journal alone. None is there before there is one."""
    log = log_of(bench)
    assert not (await read_marks(log)).counts()
    await bench.log.commit([])
    topic = bench.topics.redrive.name
    made = [mark(at)._replace(topic=topic) for at in range(3)]
    if isinstance(bench, KafkaBench):
        publisher = bench.publisher()
    else:
        folder = collector_journal(Path(bench._folder), REDRIVE_JOURNAL)
        publisher = JournalPublisher(folder, REDRIVE_JOURNAL, JournalSettings(), bench.topics)
        bench.stack.push_async_callback(publisher.close)
    await publisher.publish(made)
    assert (await read_marks(log)).counts() == {"delivered": 3}
