"""A collector's own journal: opened with its first record, never overfull, and said in words where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.eventlog.interface import Boot, CommitFailedError, EventLogError, Record
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.lock import LOCK_FILE, JournalBusyError, is_held
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.journal.recovery import recover_journal
from sluice.eventlog.journal.segment import segment_numbers
from sluice.eventlog.settings import JournalSettings
from tests.sluice.eventlog.journal.making import TOPICS

SMALL = {"max_bytes": 200_000, "max_exchange_bytes": 10_000, "segment_max_bytes": 40_000, "max_lag_bytes": 10_000_000}


def publisher_of(directory: Path, **fields: int) -> JournalPublisher:
    """One of the service ``es``."""
    return JournalPublisher(directory, "es", JournalSettings.model_validate(fields), TOPICS)


def letter(number: int, size: int = 10) -> Record:
    """A dead letter."""
    return Record("sluice.analytics.v1.dlq", str(number).encode(), bytes(size), (("dlq.reason", b"bad_body"),))


def read_all(directory: Path) -> list[WrittenRecord]:
    """Everything that is there."""
    reader = JournalReader(directory)
    found: list[WrittenRecord] = []
    while records := reader.read(1000):
        found += records
    reader.close()
    return found


async def test_nothing_is_made_before_the_first_record(tmp_path: Path) -> None:
    """A collector without dead letters has no journal; closing one that was never opened, and twice, is fine."""
    directory = tmp_path / "journals" / "collectors" / "es"
    publisher = publisher_of(directory)
    await publisher.close()
    assert not directory.exists()
    await publisher.publish([letter(1)])
    assert is_held(directory / LOCK_FILE)
    await publisher.close()
    await publisher.close()
    assert not is_held(directory / LOCK_FILE)


async def test_what_publish_returned_for_can_be_read_at_once(tmp_path: Path) -> None:
    """In order, as published, tombstones too; without any close."""
    publisher = publisher_of(tmp_path)
    records = [letter(1), Record("sluice.alert.v1", b"", None), letter(2)]
    await publisher.publish(records[:2])
    await publisher.publish(records[2:])
    found = read_all(tmp_path)
    assert [(record.topic, record.key, record.value, record.headers) for record in found] == records
    await publisher.close()


async def test_it_goes_on_where_another_life_ended(tmp_path: Path) -> None:
    """A new boot of the same service in the same journal; each life ends with a seal."""
    for number in range(3):
        publisher = publisher_of(tmp_path)
        await publisher.publish([letter(number)])
        await publisher.close()
    assert [record.key for record in read_all(tmp_path)] == [b"0", b"1", b"2"]
    found = recover_journal(tmp_path)
    assert found.closed_cleanly
    assert found.boot is not None
    assert (found.boot.gateway_id, found.boot.worker) == ("collectors", "es")
    assert found.boot.boot_id


async def test_a_closed_publisher_opens_again(tmp_path: Path) -> None:
    """An alert may still come after it was closed."""
    publisher = publisher_of(tmp_path)
    await publisher.publish([letter(1)])
    await publisher.close()
    await publisher.publish([letter(2)])
    await publisher.close()
    assert [record.key for record in read_all(tmp_path)] == [b"1", b"2"]


async def test_another_process_of_the_service_is_refused(tmp_path: Path) -> None:
    """One process writes to a journal: an error of the event log, which says what to do; later it works."""
    first, second = publisher_of(tmp_path), publisher_of(tmp_path)
    await first.publish([letter(1)])
    with pytest.raises(JournalBusyError, match="use another data_dir") as busy:
        await second.publish([letter(2)])
    assert isinstance(busy.value, EventLogError)
    await first.close()
    await second.publish([letter(2)])
    await second.close()
    assert [record.key for record in read_all(tmp_path)] == [b"1", b"2"]


async def test_a_place_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    """An error of the event log with the path, and not the bare one of the system."""
    (tmp_path / "journals").write_text("a file where a folder should be", encoding="ascii")
    publisher = publisher_of(tmp_path / "journals" / "es")
    with pytest.raises(CommitFailedError, match="journals/es cannot be written: "):
        await publisher.publish([letter(1)])
    await publisher.close()


async def test_a_full_journal_refuses_before_it_writes(tmp_path: Path) -> None:
    """A dead letter is held back rather than dropped: the collector waits. Room that comes back is used."""
    publisher = publisher_of(tmp_path, **SMALL)
    ballast = tmp_path / "ballast"
    await publisher.publish([letter(0)])
    ballast.write_bytes(bytes(180_000))
    before = read_all(tmp_path)
    with pytest.raises(CommitFailedError, match=r"is full: raise journal\.max_bytes, or make room on its disk"):
        await publisher.publish([letter(1)])
    assert read_all(tmp_path) == before
    ballast.unlink()
    await publisher.publish([letter(2)])
    assert [record.key for record in read_all(tmp_path)] == [b"0", b"2"]
    await publisher.close()


async def test_it_keeps_its_own_bounds(tmp_path: Path) -> None:
    """Each publish sweeps: without a reader the oldest segments go, and it never stops."""
    publisher = publisher_of(tmp_path, **SMALL)
    for number in range(60):
        await publisher.publish([letter(number, 9_000)])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= SMALL["max_bytes"]
    assert segment_numbers(tmp_path)[0] > 1
    assert read_all(tmp_path)[-1].key == b"59"
    await publisher.close()


async def test_a_record_that_cannot_be_written_does_not_stop_the_next(tmp_path: Path) -> None:
    """All of that publish or none; and the journal goes on."""
    publisher = publisher_of(tmp_path)
    too_large = Record("t", b"k", bytes(33 << 20))
    with pytest.raises(CommitFailedError, match="cannot be written to the journal"):
        await publisher.publish([letter(1), too_large])
    await publisher.publish([letter(2)])
    assert [record.key for record in read_all(tmp_path)] == [b"2"]
    await publisher.close()


async def test_a_journal_that_cannot_be_begun_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was full for a moment: the next try does not find the journal held by ourselves."""
    publisher, failures, real = publisher_of(tmp_path), ["full"], Journal.begin

    def begin(journal: Journal, boot: Boot) -> None:
        if failures:
            raise CommitFailedError(failures.pop())
        real(journal, boot)

    monkeypatch.setattr(Journal, "begin", begin)
    with pytest.raises(CommitFailedError, match="full"):
        await publisher.publish([letter(1)])
    await publisher.publish([letter(1)])
    assert len(read_all(tmp_path)) == 1
    await publisher.close()
