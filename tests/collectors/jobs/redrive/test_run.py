"""``sluice redrive`` on journals: letters go back, once, and whatever speaks against it is said."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from collectors.jobs.interface import UsageError
from collectors.jobs.pulse import PULSE
from collectors.jobs.redrive.asking import RedriveOptions
from collectors.jobs.redrive.run import Look
from collectors.jobs.redrive.survey import Wanted
from collectors.operations.log import Log
from collectors.operations.marks import REDRIVE_JOURNAL, Marks, letter_id, mark_of
from collectors.settings import HostSettings, Settings
from schemas.topics import DLQ_SUFFIX
from sluice.eventlog.interface import Partition, Record, StoredRecord
from sluice.eventlog.journal.lock import FileLock
from sluice.eventlog.places import collector_journal
from sluice.eventlog.ranges import OffsetRange
from tests.collectors.events import make_record, record_of
from tests.collectors.jobs.redrive.benches import TOPICS, Bench, ids_of, letters_of, made, with_facts

DAMAGED = b"\xc3\x01garbage of no schema at all"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A host."""
    return Bench(tmp_path)


async def test_letters_are_delivered_once_and_settled(bench: Bench) -> None:
    """Their events are in the sink, none is open, and a second redrive does nothing and says so."""
    records = made(20)
    await bench.publish(letters_of(records))
    assert (await bench.letters())[0] == 1
    code, report, _ = await bench.redrive()
    assert (code, report["state"]) == (0, "complete")
    assert (report["read"], report["matched"], report["written"], report["already_there"]) == (20, 20, 20, 0)
    assert bench.stored() == ids_of(records)
    assert (bench.data_dir / "jobs" / report["job"] / PULSE).exists()  # onlookers saw how far it was
    assert await bench.letters() == (0, [])
    code, report, _ = await bench.redrive()
    assert (code, report["matched"], report["details"]["settled before"]) == (0, 0, 20)
    assert report["notes"] == ["nothing to redrive: all 20 that fit are settled"]


async def test_what_is_there_already_is_told_apart(bench: Bench) -> None:
    """A letter whose mark is lost is given back once more, and changes nothing."""
    records = made(5)
    await bench.publish(letters_of(records))
    await bench.redrive()
    shutil.rmtree(bench.data_dir / "journals" / "collectors" / REDRIVE_JOURNAL)
    assert len((await bench.letters())[1]) == 5
    code, report, _ = await bench.redrive()
    assert (code, report["written"], report["already_there"]) == (0, 0, 5)
    assert bench.stored() == ids_of(records)
    assert await bench.letters() == (0, [])


async def test_letters_of_a_journal_that_was_made_anew_are_others(bench: Bench) -> None:
    """They are open, whatever the marks of those say that lay at their offsets; a job that was begun with those is not
    gone on with."""
    await bench.publish(letters_of(made(5)))
    assert (await bench.redrive(job="old"))[1]["written"] == 5
    shutil.rmtree(collector_journal(bench.data_dir, "store"))
    others = [make_record("analytics", offset=at, event_id=f"other-{at}-a") for at in range(7)]
    await bench.publish(letters_of(others))
    assert len((await bench.letters())[1]) == 7
    with pytest.raises(UsageError, match=r"collectors/store/0 of .* is not the one .*its id is"):
        await bench.redrive(resume="old")
    assert (await bench.redrive())[1]["written"] == 7
    assert len(bench.stored()) == 12


async def test_settled_letters_are_shown_when_asked_for(bench: Bench) -> None:
    """``--all`` lists, counts and shows them with their state, and is well where none is open."""
    await bench.publish(letters_of(made(2)))
    await bench.redrive()
    code, everything = await bench.letters(all_of_them=True)
    assert (code, [each["state"] for each in everything]) == (0, ["delivered"] * 2)
    code, [counted] = await bench.letters("count", all_of_them=True)
    assert (code, counted["count"], counted["state"]) == (0, 2, "delivered")
    code, [shown] = await bench.letters("show", letter=everything[0]["id"])
    assert (code, shown["state"]) == (0, "delivered")


async def test_what_is_refused_again_is_a_new_letter(bench: Bench) -> None:
    """It counts its redrives, names the old one, keeps what is true of the record, and takes the old one's place."""
    broken = record_of(DAMAGED, "x-a", offset=7, partition=3)
    [old] = letters_of([broken], "unknown_schema", collector="")
    await bench.publish([with_facts(old, first_failed_at=b"2025-01-01T00:00:00.000000Z")])
    code, [before] = await bench.letters()
    code, report, _ = await bench.redrive()
    assert (code, report["matched"], report["failed"], report["undecodable"]) == (1, 1, 1, 1)
    assert "1 refused again by store (unknown_schema): they are new dead letters" in report["problems"][0]
    [failure] = (bench.data_dir / "jobs" / report["job"] / "failures.jsonl").read_bytes().splitlines()
    assert orjson.loads(failure)["letter"] == before["id"]
    code, [now] = await bench.letters()
    facts = now["dead_letter"]
    assert (code, facts["redrives"], facts["redriven_from"]) == (1, "1", before["id"])
    assert now["id"].startswith(f"collectors/{REDRIVE_JOURNAL}/0/")
    for name in ("topic", "partition", "offset", "timestamp", "collector", "group", "first_failed_at", "schema"):
        assert facts[name] == before["dead_letter"][name], name
    assert (now["headers"], now["key"], now["value_base64"]) == (
        before["headers"],
        before["key"],
        before["value_base64"],
    )
    _, states = await bench.letters(all_of_them=True)
    assert sorted(each["state"] for each in states) == ["open", "superseded"]


async def test_the_maximum_of_redrives(bench: Bench) -> None:
    """What was given back as often is left, and said; more may be asked for, and an entry may allow less."""
    await bench.publish(letters_of([record_of(DAMAGED, "x-a")], "unknown_schema", collector=""))
    for redrives in range(3):
        code, report, _ = await bench.redrive()
        assert (code, report["failed"]) == (1, 1), redrives
    code, report, _ = await bench.redrive()
    assert (code, report["matched"], report["details"]["left"]) == (1, 0, 1)
    assert "1 left (max_redrives): they were given back 3 times already" in report["problems"][0]
    assert len((await bench.letters())[1]) == 1
    _, report, _ = await bench.redrive(max_redrives=4)
    assert report["failed"] == 1
    bench.write(bench.database(dead_letter={"max_redrives": 9}))
    assert (await bench.redrive())[1]["failed"] == 1


async def test_a_dry_run_counts_exactly_and_writes_nothing(bench: Bench) -> None:
    """By reason, collector, kind and redrives so far, with where each goes."""
    await bench.publish(letters_of(made(3)))
    await bench.publish(letters_of(made(2, "budget"), "too_large"), "elsewhere")
    await bench.publish([with_facts(each, redrives=b"3") for each in letters_of(made(1))], "third")
    before = sorted(str(path) for path in bench.folder.rglob("*"))
    code, report, seen = await bench.redrive(dry_run=True)
    assert (code, report["state"], report["matched"]) == (1, "counted", 5)
    assert report["details"]["groups"] == [
        {"count": 3, "reason": "row_refused", "collector": "store", "kind": "analytics", "redrives": 0,
         "goes_to": "store"},
        {"count": 2, "reason": "too_large", "collector": "store", "kind": "budget", "redrives": 0, "goes_to": "store"},
        {"count": 1, "reason": "row_refused", "collector": "store", "kind": "analytics", "redrives": 3,
         "goes_to": "left: max_redrives"},
    ]  # fmt: skip
    assert set(before) | {str(bench.config), str(bench.collectors)} == {str(path) for path in bench.folder.rglob("*")}
    _, _, seen = await bench.redrive(dry_run=True, as_json=False)
    assert "COUNT" in seen.out.getvalue()


async def test_selection(bench: Bench) -> None:
    """By reason, kind, collector, time and id; what does not fit stays open."""
    bench.write(bench.database(), bench.database("other", "other.db"))
    await bench.publish(letters_of(made(1)) + letters_of(made(2), "too_large") + letters_of(made(3, "budget")))
    await bench.publish(letters_of(made(4), collector="other", service="other"), "other")
    for options, count in (
        ({"reasons": ("too_large",)}, 2),
        ({"reasons": ("too_large", "row_refused"), "kinds": ("budget",)}, 3),
        ({"collector": "other"}, 4),
        ({"until": "2020-01-01"}, 0),
        ({"since": "2999-01-01"}, 0),
        ({"since": "-1h"}, 10),
    ):
        assert (await bench.redrive(dry_run=True, **options))[1]["matched"] == count, options
    _, listed = await bench.letters()
    code, report, _ = await bench.redrive(letters=(listed[0]["id"], listed[3]["id"]))
    assert (code, report["written"]) == (0, 2)
    assert len((await bench.letters())[1]) == 8


async def test_an_id_that_nothing_lies_at_is_said(bench: Bench) -> None:
    """Beside those that there are; one that is no id is refused."""
    await bench.publish(letters_of(made(1)))
    code, report, _ = await bench.redrive(letters=("collectors/store/0/99",))
    assert (code, report["matched"]) == (1, 0)
    [problem] = report["problems"]
    assert problem.startswith(
        "nothing is to be redriven at collectors/store/0/99 (1 in all): retention may have deleted"
    )
    with pytest.raises(UsageError, match="'x' is no id; an id is TOPIC/PARTITION/OFFSET"):
        await bench.redrive(letters=("x",))
    with pytest.raises(UsageError, match="--kind: 'x' is none of"):
        await bench.redrive(kinds=("x",))


async def test_two_at_once_are_refused(bench: Bench) -> None:
    """By whoever holds the lock, with its process; a dry run disturbs nobody."""
    await bench.publish(letters_of(made(1)))
    lock = FileLock(bench.data_dir / "locks" / "redrive.lock", "")
    try:
        with pytest.raises(UsageError, match="another redrive runs here"):
            await bench.redrive()
        assert (await bench.redrive(dry_run=True))[0] == 0
    finally:
        lock.release()
    assert (await bench.redrive())[0] == 0


async def test_a_job_is_gone_on_with_as_it_was_asked_for(bench: Bench) -> None:
    """Letters that came since are not its; other options are refused by name, and so is a job of another command."""
    await bench.publish(letters_of(made(2)))
    code, report, _ = await bench.redrive(job="mine", reasons=("row_refused",))
    await bench.publish(letters_of(made(3)))
    code, report, _ = await bench.redrive(resume="mine")
    assert (code, report["matched"], report["job"]) == (0, 0, "mine")
    with pytest.raises(UsageError, match=r"'mine' was asked for otherwise \(collector\)"):
        await bench.redrive(resume="mine", collector="store")
    with pytest.raises(UsageError, match="there is a job 'mine' already"):
        await bench.redrive(job="mine")
    plan = bench.data_dir / "jobs" / "mine" / "plan.json"
    plan.write_bytes(orjson.dumps({"command": "replay"}))
    with pytest.raises(UsageError, match="'mine' is no redrive, but a replay"):
        await bench.redrive(resume="mine")


async def test_a_job_of_before_logs_had_ids_is_gone_on_with(bench: Bench) -> None:
    """What it began with is not known: nothing is refused for that, and its ends are those that were fixed."""
    await bench.publish(letters_of(made(2)))
    assert (await bench.redrive(job="mine", reasons=("row_refused",)))[1]["matched"] == 2
    progress = bench.data_dir / "jobs" / "mine" / "progress.json"
    saved = orjson.loads(progress.read_bytes())
    assert saved["logs"]
    progress.write_bytes(orjson.dumps({"ends": saved["ends"]}))
    await bench.publish(letters_of(made(3)))
    code, report, _ = await bench.redrive(resume="mine")
    assert (code, report["matched"]) == (0, 0)


async def test_broken_marks_hold_up_nothing(bench: Bench) -> None:
    """They are counted, and the letters are shown and given back."""
    records = made(2)
    await bench.publish(letters_of(records))
    topic = TOPICS.redrive.name
    broken = [
        (b"x", b"{}"),
        (b"\xff/0/0", b"no json"),
        (b"a/0/1", b"[]"),
        (b"a/0/2", b'{"outcome": "gone"}'),
        (b"a/0/3", b'{"outcome": []}'),
    ]
    await bench.publish([Record(topic, key, value) for key, value in broken], REDRIVE_JOURNAL)
    code, shown = await bench.letters()
    assert (code, len(shown)) == (1, 2)
    code, report, _ = await bench.redrive()
    assert (code, report["written"]) == (0, 2)
    assert report["notes"] == ["5 records of the topic of marks are no marks; they were passed over"]


async def test_a_letter_whose_place_was_taken_before_a_kill_is_not_given_back(bench: Bench) -> None:
    """The new letter names the old one: that is settled although no mark says so, and is marked now."""
    [old] = letters_of([record_of(DAMAGED, "x-a")], "unknown_schema", collector="")
    await bench.publish([old])
    [before] = (await bench.letters())[1]
    [new] = letters_of([record_of(DAMAGED, "x-a")], "unknown_schema", collector="")
    new = with_facts(new, redrives=b"1", redriven_from=before["id"].encode())
    await bench.publish([new, new], REDRIVE_JOURNAL)
    _, report, _ = await bench.redrive(dry_run=True)
    assert (report["matched"], report["details"]["settled before"]) == (1, 2), "of two that took its place one is open"
    await bench.redrive()
    _, [left] = await bench.letters()
    assert left["dead_letter"]["redrives"] == "2"


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"truncated": b"true"}, "truncated"),
        ({"group": b"other.store"}, "foreign"),
        ({"topic": b"other.analytics.v1"}, "foreign"),
        ({"collector": b"gone"}, "not_configured"),
        ({"collector": b"\xff\xfe", "group": b"\xff"}, "foreign"),
        ({"collector": None, "group": None}, "no_collector"),
        ({"collector": b"fallback"}, "not_configured"),
        ({"redrives": b"999999999"}, "max_redrives"),
    ],
)
async def test_what_goes_nowhere_is_left_and_says_why(bench: Bench, facts: dict[str, Any], code: str) -> None:
    """It stays open, and nothing else is held up by it."""
    [good, bad] = letters_of(made(2))
    await bench.publish([with_facts(bad, **facts), good])
    exit_code, report, _ = await bench.redrive()
    assert (exit_code, report["written"], report["details"]["left"]) == (1, 1, 1)
    [problem] = report["problems"]
    assert problem.startswith(f"1 left ({code}): ")
    assert len((await bench.letters())[1]) == 1


@pytest.mark.parametrize(
    "facts",
    [
        {"redrives": b"many", "offset": b"-1", "partition": b"\xff", "timestamp": b"x" * 300},
        {"redrives": b"\xd9\xa3\xd9\xa3", "attempts": b"", "error__type": b"\x00\x1b[31m"},
        {"topic": None, "partition": None, "offset": None, "timestamp": None, "first_failed_at": None},
        {"group": None},
        {"redriven_from": b"\xff/x/y"},
    ],
)
async def test_garbage_in_headers_is_no_reason_not_to_deliver(bench: Bench, facts: dict[str, Any]) -> None:
    """What the record was is all that its collector needs."""
    records = made(1)
    await bench.publish([with_facts(letters_of(records)[0], **facts)])
    code, report, _ = await bench.redrive()
    assert (code, report["written"]) == (0, 1)
    assert bench.stored() == ids_of(records)


async def test_another_entry_may_be_given_them(bench: Bench) -> None:
    """Of a collector that was renamed; a name that is nobody's is refused with those that there are."""
    records = made(2)
    await bench.publish(letters_of(records, collector="old", service="old"), "old")
    with pytest.raises(UsageError, match="no enabled entry 'nobody'; there are: store"):
        await bench.redrive(give_to="nobody")
    assert "there are: store" in (await bench.redrive())[1]["problems"][0]
    code, report, _ = await bench.redrive(give_to="store")
    assert (code, report["written"]) == (0, 2)
    assert bench.stored() == ids_of(records)


async def test_nothing_at_all_is_well(bench: Bench) -> None:
    """No log yet, or one without dead letters."""
    code, report, _ = await bench.redrive()
    assert (code, report["notes"]) == (0, ["nothing to redrive: no open dead letter fits"])
    assert make_record().topic + DLQ_SUFFIX == TOPICS.event("analytics").dead_letters().name


async def test_a_stop_before_there_is_work(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While letters are looked at: it ends at once, says so, and is gone on with."""
    await bench.publish(letters_of(made(1)))
    looking = asyncio.Event()

    async def hangs(*_: object) -> None:
        looking.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(Look, "survey", hangs)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bench.redrive(job="mine"))
            await looking.wait()
            os.kill(os.getpid(), signal.SIGINT)
    code, report, _ = running.result()
    assert (code, report["state"]) == (1, "stopped")
    assert report["problems"] == ["stopped, before anything was given back: go on with sluice redrive --resume mine"]
    assert (await bench.redrive(resume="mine"))[0] == 0


async def test_marks_of_letters_that_are_gone_are_found() -> None:
    """Of Kafka, where compaction keeps a mark for ever; a journal deletes its own."""
    marks, place = Marks(), Partition("sluice.analytics.v1.dlq", 0)
    for offset in range(4):
        record = mark_of("t", letter_id(place, offset), "delivered", "j", "now", "me")
        marks.learn(StoredRecord("t", 0, 0, 0, record.key, record.value))

    class Reader:
        async def ranges(self, _topics: object) -> dict[Partition, OffsetRange]:
            return {place: OffsetRange(2, 9)}

    for servers, gone in (("127.0.0.1:1", [letter_id(place, 0), letter_id(place, 1)]), ("", [])):
        host = HostSettings.model_validate({"kafka": {"bootstrap_servers": servers}})
        log = Log(host, lambda _: cast("Any", Reader()))
        look = Look(log, Settings(), RedriveOptions(), Wanted())
        look.marks = marks
        assert list(await look.outlived()) == gone
