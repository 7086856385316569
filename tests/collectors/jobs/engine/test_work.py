"""A job is carried to its end, counts everything exactly, and goes on where it was, whatever stopped it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.jobs.engine.work import Work, carry, opened
from collectors.jobs.filtering import Filter
from collectors.jobs.folder import JobFolder
from collectors.jobs.interface import UsageError
from collectors.jobs.pulse import PULSE
from collectors.sinks.interface import Verdict
from sluice.eventlog.interface import EventLogError
from tests.collectors.events import event_id_of, partition_of
from tests.collectors.fakes import FakeSink, postponed
from tests.collectors.jobs.bench import MemoryOrigin, origin_of, poisoned, records, work_of
from tests.collectors.virtual_time import virtual_time


@virtual_time
async def test_everything_of_the_ranges_is_written_once() -> None:
    """All partitions, all records, each once; what was appended after the ranges were fixed is none of them."""
    origin = MemoryOrigin({partition_of(number=at): records(250, partition=at) for at in range(3)})
    sink = FakeSink()
    work = await work_of(origin, sink)
    origin.records[partition_of()] = [*records(250), *records(300)[250:]]
    wanted = {event_id_of(each) for at in range(3) for each in origin.records[partition_of(number=at)][:250]}  # type: ignore[arg-type]
    report = await carry(work)
    assert sink.durable == dict.fromkeys(wanted, 1)
    assert (report.state, report.read, report.matched, report.written, report.failed) == ("complete", 750, 750, 750, 0)
    assert report.exit_code == 0


@virtual_time
async def test_what_is_there_is_counted_as_that() -> None:
    """The second time nothing is written, and that is said."""
    origin, sink = origin_of(120), FakeSink()
    await carry(await work_of(origin, sink))
    report = await carry(await work_of(origin, sink))
    assert (report.written, report.already_there, report.exit_code) == (0, 120, 0)


@virtual_time
async def test_a_filter_leaves_out_and_counts() -> None:
    """Read is what lay there, matched what was asked for; the entry's own selection holds too."""
    found = [*records(30, app_id=7), *records(60, app_id=8)[30:]]
    origin, sink = MemoryOrigin({partition_of(): found}), FakeSink()
    report = await carry(await work_of(origin, sink, tests=[Filter("app_id = 8", ["analytics"]).positions]))
    assert (report.read, report.matched, report.written, len(sink.durable)) == (60, 30, 30, 30)
    report = await carry(await work_of(origin, FakeSink(), entry={"exclude": {"apps": [8]}}))
    assert (report.read, report.matched, report.written) == (60, 30, 30)


async def test_what_cannot_be_written_is_a_failure_and_no_dead_letter(tmp_path: Path) -> None:
    """Undecodable records and such as the sink refuses are counted and listed, each with its place and reason; the
    others are written, and the exit code says that something is wrong."""
    origin = MemoryOrigin({partition_of(): poisoned(records(50), 3, 20)})
    refused = event_id_of(origin.records[partition_of()][7])  # type: ignore[arg-type]

    async def refuse(documents: Sequence[str]) -> Verdict:
        poison = {at: Unprocessable("bad_field", status=400) for at, each in enumerate(documents) if each == refused}
        return Verdict(poison=poison)

    sink = FakeSink(refuse)
    with JobFolder.begin(tmp_path, "job", {}) as folder:
        report = await carry(await work_of(origin, sink, folder=folder))
        assert (folder.path / PULSE).exists()  # onlookers saw how far it was
        failures = [orjson.loads(line) for line in folder.failures.read_bytes().splitlines()]
    assert (report.read, report.matched, report.written, report.failed, report.undecodable) == (50, 48, 47, 3, 2)
    assert sorted((each["offset"], each["reason"]) for each in failures)[1] == (7, "bad_field")
    assert {each["id"] for each in failures} == {f"sluice.analytics.v1/0/{at}" for at in (3, 7, 20)}
    assert report.exit_code == 1
    assert str(folder.failures) in report.problems[0]


@virtual_time
async def test_a_sink_that_is_away_for_a_while_is_waited_for() -> None:
    """Retries are the live ones: nothing is lost, and nothing is a problem afterwards."""
    answers = [Retryable("gone")] * 20

    async def away(documents: Sequence[str]) -> Verdict:
        return postponed(len(documents), answers.pop()) if answers else Verdict()

    report = await carry(await work_of(origin_of(50), FakeSink(away)))
    assert (report.written, report.problems) == (50, [])


@virtual_time
async def test_a_sink_that_stays_away_is_given_up() -> None:
    """After five minutes in which nothing moved; the cause is said, and the command does not hang."""

    async def away(documents: Sequence[str]) -> Verdict:
        return postponed(len(documents), Retryable("connection refused"))

    clock = asyncio.get_running_loop().time
    began = clock()
    report = await carry(await work_of(origin_of(50), FakeSink(away)))
    assert 290 < clock() - began < 320
    assert (report.state, report.exit_code) == ("stopped", 1)
    assert "connection refused" in report.problems[0]


@virtual_time
@pytest.mark.parametrize("count", [50, 2_000])
async def test_a_halt_ends_a_job_at_once(count: int) -> None:
    """What needs somebody to change something is told to who is there, at whatever point of the range it befalls."""

    async def refuse(documents: Sequence[str]) -> Verdict:
        return postponed(len(documents), Halt("status 403", "give the user the privilege create_doc"))

    clock = asyncio.get_running_loop().time
    began = clock()
    report = await carry(await work_of(origin_of(count), FakeSink(refuse), entry={"flow": {"max_records": 500}}))
    assert clock() - began < 10
    assert (report.state, report.written) == ("stopped", 0)
    assert "create_doc" in report.problems[0]


@virtual_time
async def test_a_log_that_fails_for_a_moment_is_read_on_from_there() -> None:
    """Nothing is read twice and nothing is left out."""
    origin, sink = origin_of(500), FakeSink()
    origin.failures = [None, EventLogError("broker away"), None, EventLogError("broker away")]
    report = await carry(await work_of(origin, sink))
    assert set(sink.durable.values()) == {1}
    assert (report.read, report.written, report.problems) == (500, 500, [])
    assert origin.reads == 3


@virtual_time
async def test_what_retention_deletes_meanwhile_stops_a_job() -> None:
    """It is not passed over in silence."""
    origin = origin_of(300)
    work = await work_of(origin, FakeSink())
    origin.first[partition_of()] = 100
    report = await carry(work)
    assert (report.state, report.read) == ("stopped", 0)
    assert "retention deleted" in report.problems[0]


async def test_a_resumed_job_reads_what_is_left_and_counts_each_record_once(tmp_path: Path) -> None:
    """Whatever was finished beyond what was saved comes again; in the counts of both runs together it is once."""
    origin, sink = MemoryOrigin({partition_of(): poisoned(records(900), 5, 850)}), FakeSink()
    halted: list[bool] = []

    async def halt(documents: Sequence[str]) -> Verdict:
        later = event_id_of(origin.records[partition_of()][600]) in documents  # type: ignore[arg-type]
        if later and not halted:
            return postponed(len(documents), Halt("full", "make room"))
        return Verdict()

    sink.script = halt
    entry = {"batch": {"max_records": 100}}
    with JobFolder.begin(tmp_path, "job", {}) as folder:
        report = await carry(await work_of(origin, sink, folder=folder, entry=entry))
    assert (report.state, report.exit_code) == ("stopped", 1)
    assert report.read < 900
    halted.append(True)
    with JobFolder.resume(tmp_path, "job") as folder:
        report = await carry(await work_of(origin, sink, folder=folder, entry=entry))
        lines = folder.failures.read_bytes().splitlines()
        saved = folder.report()
    assert (report.state, report.read, report.matched, report.failed) == ("complete", 900, 898, 2)
    assert report.written + report.already_there == 898
    assert len(sink.durable) == 898
    assert sorted(orjson.loads(line)["offset"] for line in lines) == [5, 850]
    assert saved is not None
    assert saved["state"] == "complete"


async def test_a_resumed_job_that_is_done_reads_nothing(tmp_path: Path) -> None:
    """It says again what came of it."""
    origin, sink = origin_of(50), FakeSink()
    with JobFolder.begin(tmp_path, "job", {}) as folder:
        await carry(await work_of(origin, sink, folder=folder))
    with JobFolder.resume(tmp_path, "job") as folder:
        report = await carry(await work_of(origin, sink, folder=folder))
    assert (report.state, report.written, origin.reads, len(sink.writes)) == ("complete", 50, 1, 1)


async def test_a_stop_finishes_what_is_in_flight(tmp_path: Path) -> None:
    """SIGTERM: what was taken in is written and saved, the rest is for whoever resumes the job."""
    origin, sink = origin_of(5_000), FakeSink()

    async def stop(documents: Sequence[str]) -> Verdict:
        if len(sink.durable) >= 300:
            signal.raise_signal(signal.SIGTERM)
            sink.script = None
        del documents
        return Verdict()

    sink.script = stop
    entry = {"batch": {"max_records": 100}, "flow": {"max_records": 400}}
    with JobFolder.begin(tmp_path, "job", {}) as folder:
        report = await carry(await work_of(origin, sink, folder=folder, entry=entry))
        progress = folder.progress()
    assert report.state == "stopped"
    assert 0 < report.written == len(sink.durable) < 5_000
    assert progress is not None
    assert progress["next"] == {"sluice.analytics.v1/0": len(sink.durable)}
    assert "--resume job" in report.problems[-1]


@virtual_time
async def test_a_dry_run_counts_what_the_real_run_counts() -> None:
    """Read, matched, bytes, first and last, and what cannot be decoded: the same; nothing is written."""
    found = poisoned(records(200), 9)
    origin = MemoryOrigin({partition_of(): found})
    dry = await carry(await work_of(origin, FakeSink(), is_dry=True))
    real = await carry(await work_of(origin, FakeSink()))
    names = ("read", "matched", "size_bytes", "first_at", "last_at", "failed", "undecodable")
    assert [getattr(dry, name) for name in names] == [getattr(real, name) for name in names]
    assert real.size_bytes == sum(len(each.value or b"") for each in found if each.offset != 9)
    assert (dry.state, dry.written, real.written) == ("counted", 0, 199)


@virtual_time
async def test_the_rate_holds() -> None:
    """Of events that are matched: never more than it allows over any while, and little less."""
    times: list[float] = []
    clock = asyncio.get_running_loop().time
    sink = FakeSink()

    async def note(documents: Sequence[str]) -> Verdict:
        times.extend([clock()] * len(documents))
        return Verdict()

    sink.script = note
    began = clock()
    report = await carry(await work_of(origin_of(2_000), sink, rate=100.0))
    assert 19 <= clock() - began <= 22
    assert 19 <= report.seconds <= 22
    for at in range(0, len(times) - 500, 50):
        assert times[at + 500] - times[at] >= 4.3  # 500 events at 100 a second, but for one batch's gathering


@virtual_time
async def test_who_observes_sees_each_matched_event() -> None:
    """Once, before it is written."""
    seen: list[str] = []
    work: Work = await work_of(
        origin_of(150), FakeSink(), observe=lambda frame: seen.extend(frame.rows["event_id"].to_list())
    )
    await carry(work)
    assert len(seen) == len(set(seen)) == 150


@virtual_time
async def test_what_is_open_is_closed() -> None:
    """Also where something breaks between."""
    sink = FakeSink()
    with pytest.raises(ZeroDivisionError):
        async with opened(sink):
            raise ZeroDivisionError
    assert sink.closed


@virtual_time
async def test_a_target_that_does_not_close_is_said() -> None:
    """It hangs no command; the last files may not be finished, so it is no success."""

    class Hanging(FakeSink):
        async def close(self) -> None:
            await asyncio.sleep(1e9)

    with pytest.raises(Retryable, match="--resume"):
        async with opened(Hanging()):
            pass


async def test_a_condition_that_an_event_breaks_ends_the_job_with_what_to_do() -> None:
    """As itself, and not in a group of errors that no command knows."""
    asked = Filter("CAST(model_name AS INT) = 4", ["analytics"])
    with pytest.raises(UsageError, match="TRY_CAST"):
        await carry(await work_of(origin_of(10), FakeSink(), tests=[asked.positions]))
