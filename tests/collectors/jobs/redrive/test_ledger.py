"""What became of letters is counted once, and marks are published until the log has them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import orjson

from collectors.dead_letters import RedrivenRecord
from collectors.deliveries import Delivery, Poison
from collectors.errors import Unprocessable
from collectors.jobs.redrive import ledger as ledger_module
from collectors.jobs.redrive.ledger import Ledger, whoever
from collectors.operations.marks import letter_id
from collectors.tracker import Lane
from sluice.eventlog.interface import CommitFailedError, Partition, Record
from tests.collectors.events import NOW_MICROS, make_record
from tests.collectors.virtual_time import virtual_time

PLACE = Partition("sluice.analytics.v1.dlq", 2)
LANE = Lane(Partition("job/x", 0))


class Publisher:
    """Remembers, or refuses."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.is_away = False

    async def publish(self, records: Sequence[Record]) -> None:
        if self.is_away:
            message = "Kafka is away"
            raise CommitFailedError(message)
        self.records += records

    async def close(self) -> None:
        """Nothing."""


def made_ledger(folder: Path) -> tuple[Ledger, Publisher]:
    """One with a clock that stands."""
    publisher = Publisher()
    return Ledger(publisher, "sluice.redrive.v1", "job-1", folder / "f.jsonl", lambda: NOW_MICROS, "me@here"), publisher


def delivery(*offsets: int) -> Delivery:
    """Letters that lie there."""
    found = Delivery()
    for offset in offsets:
        record = make_record(offset=offset)
        place = (record.topic, record.partition, record.offset, record.timestamp)
        letter = letter_id(PLACE, offset)
        found.add(RedrivenRecord(*place, record.key, record.value, record.headers, letter), LANE)
    return found


async def test_each_is_settled_once_and_marked(tmp_path: Path) -> None:
    """With outcome, job, time and who; what was another member's is not settled."""
    ledger, publisher = made_ledger(tmp_path)
    ledger.finish("delivered", delivery(1, 2))
    ledger.finish("dead_lettered", delivery(2, 3))
    ledger.finish("revoked", delivery(4))
    assert (ledger.settled, ledger.outcomes) == (3, {"delivered": 2, "superseded": 1})
    assert [ledger.is_done(PLACE, offset) for offset in (1, 2, 3, 4)] == [True, True, True, False]
    assert await ledger.flush()
    assert [each.key for each in publisher.records] == [letter_id(PLACE, at).encode() for at in (1, 2, 3)]
    assert orjson.loads(publisher.records[0].value or b"") == {
        "outcome": "delivered",
        "job": "job-1",
        "at": "2025-11-24T16:00:00.000000Z",
        "by": "me@here",
    }
    assert await ledger.flush()
    assert len(publisher.records) == 3


async def test_marks_wait_for_a_log_that_is_away(tmp_path: Path) -> None:
    """None is lost, none is published twice, and the trouble is known while it lasts."""
    ledger, publisher = made_ledger(tmp_path)
    publisher.is_away = True
    ledger.settle("delivered", delivery(1))
    assert not await ledger.flush()
    assert ledger.trouble == "Kafka is away"
    publisher.is_away = False
    ledger.settle("passed", delivery(2))
    assert await ledger.flush()
    assert (len(publisher.records), ledger.trouble) == (2, "")


async def test_two_flushes_at_once_publish_once(tmp_path: Path) -> None:
    """The one that is regular, and the last."""
    ledger, publisher = made_ledger(tmp_path)
    ledger.settle("delivered", delivery(*range(10_001)))
    await asyncio.gather(ledger.flush(), ledger.flush())
    assert len(publisher.records) == 10_001


@virtual_time
async def test_it_flushes_by_itself(tmp_path: Path) -> None:
    """Soon: what a kill leaves unmarked is little."""
    ledger, publisher = made_ledger(tmp_path)
    ledger.settle("delivered", delivery(1))
    async with asyncio.TaskGroup() as tasks:
        flushing = tasks.create_task(ledger.keep_flushing())
        await asyncio.sleep(ledger_module.FLUSH_SECONDS + 0.1)
        flushing.cancel()
    assert len(publisher.records) == 1


def test_refusals_are_listed(tmp_path: Path) -> None:
    """Each with its letter, reason and collector; beside those of an earlier run of the job."""
    ledger, _ = made_ledger(tmp_path)
    (tmp_path / "f.jsonl").write_text('{"letter": "earlier"}\n')
    poison = Poison(collector="search")
    for record in delivery(1, 2).records:
        poison.add(record, LANE, Unprocessable("bad", "detail"))
    ledger.refuse(poison)
    lines = [orjson.loads(line) for line in (tmp_path / "f.jsonl").read_bytes().splitlines()]
    assert lines[0] == {"letter": "earlier"}
    assert lines[2] == {"letter": letter_id(PLACE, 2), "reason": "bad", "detail": "detail", "collector": "search"}
    assert ledger.refusals == {("bad", "search"): 2}


def test_a_list_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """The letters are in the log; that the list is not whole is said."""
    ledger, _ = made_ledger(tmp_path)
    (tmp_path / "f.jsonl").mkdir()
    poison = Poison()
    for record in delivery(1).records:
        poison.add(record, LANE, Unprocessable("bad"))
    ledger.refuse(poison)
    assert ledger.refusals == {("bad", ""): 1}
    assert "f.jsonl cannot be written (Is a directory): it does not name all" in ledger.unlisted


async def test_marks_of_what_is_gone_are_taken_back(tmp_path: Path) -> None:
    """By a null value, which compaction understands."""
    ledger, publisher = made_ledger(tmp_path)
    ledger.forget(iter(["a/0/1"]))
    ledger.mark("superseded", ["a/0/2"])
    await ledger.flush()
    assert [(each.key, each.value is None) for each in publisher.records] == [(b"a/0/1", True), (b"a/0/2", False)]


def test_who_it_was() -> None:
    """A name and a host."""
    assert all(whoever().split("@"))
