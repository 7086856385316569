"""What could not be written can be looked up, once each, also after a kill in the middle."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from collectors.deliveries import Poison
from collectors.errors import Unprocessable
from collectors.jobs.engine.failures import Failures, trim
from collectors.jobs.engine.tally import Tally
from collectors.tracker import Lane
from sluice.eventlog.interface import EventLogError, Partition, StoredRecord
from tests.collectors.events import make_record, partition_of

LANE = Lane(partition_of())
JOURNAL = Lane(Partition("gateway-1/w0", 0))


def poison_of(*offsets: int, lane: Lane = LANE, collector: str = "target") -> Poison:
    """Records that cannot be written."""
    poison = Poison(collector=collector)
    for offset in offsets:
        error = Unprocessable("bad_field", "Preview of field's value: 'secret prompt'", status=400)
        poison.add(make_record(offset=offset), lane, error)
    return poison


async def test_a_failure_is_a_line_with_its_place_and_reason(tmp_path: Path) -> None:
    """Its id is as `sluice tail` and `sluice dead-letters` have them; no value of the event is in it."""
    path = tmp_path / "failures.jsonl"
    await Failures(path, Tally()).publish(poison_of(3))
    await Failures(path, Tally()).publish(poison_of(9, lane=JOURNAL))
    first, second = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert first["id"] == "sluice.analytics.v1/0/3"
    assert (first["reason"], first["status"], first["topic"]) == ("bad_field", 400, "sluice.analytics.v1")
    assert first["event_id"].endswith("-a")
    assert (second["id"], second["journal"], second["offset"]) == ("gateway-1/w0/0/9", "gateway-1/w0", 9)
    assert b"secret" not in path.read_bytes()


async def test_a_record_without_headers_has_no_event_id(tmp_path: Path) -> None:
    """And is listed all the same."""
    poison = Poison()
    poison.add(StoredRecord("t", 0, 1, 0, None, None), LANE, Unprocessable("null_value"))
    await Failures(tmp_path / "f", Tally()).publish(poison)
    assert orjson.loads((tmp_path / "f").read_bytes())["event_id"] is None


async def test_what_is_undecodable_is_told_to_the_tally(tmp_path: Path) -> None:
    """It never was an event, so it matched nothing."""
    tally = Tally()
    for collector in ("", "target"):
        poison = poison_of(4 if collector else 5, collector=collector)
        await Failures(tmp_path / "f", tally).publish(poison)
        tally.finished(poison.delivery, "dead_lettered", 0)
    tally.settle({LANE.partition: 10})
    assert (tally.counts["failed"], tally.counts["undecodable"], tally.counts["matched"]) == (2, 1, 1)


async def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    """But counts."""
    tally = Tally()
    await Failures(None, tally).publish(poison_of(1, collector=""))
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    """As an error of the log: the pipeline waits, and nothing passes."""
    with pytest.raises(EventLogError, match=r"cannot be written.*make room"):
        await Failures(tmp_path / "absent" / "f", Tally()).publish(poison_of(1))


def test_what_comes_again_is_forgotten(tmp_path: Path) -> None:
    """Only lines below their partition's next offset stay; torn and strange ones go."""
    path = tmp_path / "failures.jsonl"
    lines = [{"topic": "t", "journal": journal, "partition": 0, "offset": offset}
             for journal, offset in [(None, 1), (None, 5), ("j", 7), ("j", 9), ("k", 0)]]  # fmt: skip
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines) + b'[]\n{"topic": "t", "of')
    trim(path, {Partition("t", 0): 5, Partition("j", 0): 8})
    assert [orjson.loads(line)["offset"] for line in path.read_bytes().splitlines()] == [1, 7]
    trim(tmp_path / "absent", {})
