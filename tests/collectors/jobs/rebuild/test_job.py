"""What a replay does for ``--rebuild`` when its last record is carried, over a log in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from collectors.deliveries import Frame
from collectors.errors import Halt, Retryable
from collectors.jobs.folder import JobFolder
from collectors.jobs.interface import OK, WRONG, UsageError
from collectors.jobs.options import JobOptions
from collectors.jobs.rebuild.interface import Span, Swapped
from collectors.jobs.rebuild.job import Proof, RebuildOptions, carried_and_swapped, of_spans
from collectors.jobs.rebuild.wholeness import Coverage
from collectors.jobs.replay.plan import ReplayOptions
from collectors.jobs.replay.run import replay
from collectors.jobs.sums import DAY_MICROS, Sums
from collectors.sinks.interface import Prepared, Verdict
from schemas.codec import SchemaBook
from sluice.eventlog.interface import PolledRecord
from sluice.eventlog.modes import DurableLog
from tests.collectors.events import NOW_MICROS, TOPICS, make_event, make_record, partition_of
from tests.collectors.frames import frame_of_records
from tests.collectors.jobs.bench import MemoryOrigin, poisoned, silent, work_of
from tests.sluice.eventlog.journal.making import begun

DAY = NOW_MICROS // DAY_MICROS * DAY_MICROS
SPAN = Span("analytics", DAY, DAY + DAY_MICROS)


def record(offset: int, days: float = 0.5, **changes: Any) -> PolledRecord:
    """Of an event of that day."""
    return make_record(offset=offset, occurred_at=DAY + int(days * DAY_MICROS), **changes)


class Remembering:
    """A sink that takes everything."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def start(self) -> None:
        """At once."""

    def prepare(self, frame: Frame) -> Prepared[str]:
        """Ids."""
        return Prepared(frame.rows["event_id"].to_list())

    async def write(self, documents: Sequence[str]) -> Verdict:
        """All well."""
        self.ids += documents
        return Verdict()

    async def check(self) -> None:
        """It is."""

    async def close(self) -> None:
        """Nothing is open."""


class Told:
    """A rebuild that says what it is told, and remembers what it was asked."""

    def __init__(self, *results: Swapped, lines: Sequence[str] = ()) -> None:
        self.sink = Remembering()
        self.results, self.lines = list(results), list(lines)
        self.asked: list[Any] = []

    async def prepare(self) -> None:
        """Nothing."""

    async def verify(self, sums: Sums, distinct: Any, progress: Any = None) -> list[str]:
        self.asked.append(("verify", sums.events))
        return self.lines

    async def swap(self, swapping: Any) -> list[Swapped]:
        self.asked.append(("swap", swapping.sums.events, swapping.delete_old, swapping.drop_surplus))
        return self.results

    async def undo(self) -> list[Swapped]:
        self.asked.append("undo")
        return self.results

    async def close(self) -> None:
        """Nothing is open."""


async def job(*found: PolledRecord, **given: Any) -> tuple[MemoryOrigin, Remembering, Proof]:
    """Of a log with these records."""
    origin = MemoryOrigin({partition_of(): list(found)})
    sink = Remembering()
    work = await work_of(origin, sink, **given)
    return origin, sink, Proof(work, work.ranges)


async def test_the_log_is_read_again_and_not_believed_to_have_been_read() -> None:
    """Its sums are of what was asked for, by the entry and by the job; nothing is written for it."""
    _, sink, proof = await job(
        record(0, 0.1), record(1, 0.2, app_id=8), record(2, 1.5), entry={"include": {"apps": [7]}}
    )
    sums = await proof.read()
    assert [(day.date, each.events) for day, each in sorted(sums.days.items())] == [
        ("2025-11-24", 1),
        ("2025-11-25", 1),
    ]
    assert sink.ids == []


async def test_what_came_since_is_carried_once_and_counted() -> None:
    """Of the spans alone; what the entry does not want is not carried late either."""
    origin, sink, proof = await job(record(0))
    await proof.read()
    assert (await proof.catch_up([SPAN])).events == 1
    late = [record(1), record(2, 1.5), record(3, app_id=8), make_record("analytics", offset=4, occurred_at=DAY - 1)]
    origin.records[partition_of()] += late
    assert (await proof.catch_up([SPAN])).events == 3
    assert len(sink.ids) == 2
    assert (await proof.catch_up([SPAN])).events == 3
    origin.records[partition_of()].append(record(5))
    assert (await proof.catch_up([SPAN])).events == 4
    assert len(sink.ids) == 3


async def test_each_event_is_counted_once_when_it_is_asked_for() -> None:
    """Of that span, and of all that was read by then."""
    same = record(1)
    twice = make_record(offset=2)
    twice.value, twice.headers = same.value, same.headers
    origin, _, proof = await job(record(0), same, twice, record(3, 1.5))
    assert (await proof.read()).events == 4
    assert (await proof.distinct(SPAN)).events == 2
    origin.records[partition_of()] += [record(4)]
    await proof.catch_up([SPAN])
    assert (await proof.distinct(SPAN)).events == 3
    assert (await proof.distinct(Span("budget", DAY, DAY + DAY_MICROS))).events == 0


async def test_a_log_that_cannot_be_read_proves_nothing() -> None:
    """What was deleted since is an error, and no sum of the rest."""
    origin, _, proof = await job(record(0), record(1))
    origin.first[partition_of()] = 1
    with pytest.raises(Halt, match=r"the log could not be read: .*retention deleted"):
        await proof.read()


def test_rows_belong_to_a_span_or_to_none() -> None:
    """From its first microsecond to the one before its end; of its kind; in their order."""
    frame = frame_of_records(SchemaBook(), [record(at, days) for at, days in enumerate((1, 0, 0.5, -0.1, 2))])
    assert list(of_spans([SPAN])(frame)) == [1, 2]
    assert list(of_spans([SPAN, Span("analytics", DAY + DAY_MICROS, DAY + 2 * DAY_MICROS)])(frame)) == [0, 1, 2]
    assert list(of_spans([Span("analytics", 0, 1 << 62)])(frame)) == [0, 1, 2, 3, 4]
    assert list(of_spans([Span("budget", 0, 1 << 62)])(frame)) == []


REFUSED = Swapped("analytics", "a-1", "refused", "so it is")
SWAPPED = Swapped("analytics", "a-2", "swapped", kept="sluice-replaced-x")


async def concluded(rebuild: Told, options: RebuildOptions, folder: Path, *found: PolledRecord) -> Any:
    """The report of a whole job."""
    origin = MemoryOrigin({partition_of(): list(found)})
    with JobFolder.begin(folder, "j", {}) as opened:
        work = await work_of(origin, rebuild.sink, folder=opened)
        coverage = Coverage({"analytics": TOPICS.event("analytics").name}, work.ranges, work.ranges)
        report = await carried_and_swapped(work, rebuild, options, coverage)
        saved = opened.report()
    assert options.undo or saved == report.as_dict()
    return report


async def test_a_rebuild_is_compared_and_a_difference_is_a_problem(tmp_path: Path) -> None:
    """Exit code 1, and the line of the day."""
    rebuild = Told(lines=["analytics of 2025-11-24: the log has"])
    report = await concluded(rebuild, RebuildOptions(rebuild=True), tmp_path, record(0))
    assert rebuild.asked == [("verify", 1)]
    assert (report.problems, report.exit_code) == (rebuild.lines, WRONG)
    assert report.details["log"]["analytics"]["2025-11-24"]["events"] == 1
    assert len(rebuild.sink.ids) == 1


async def test_a_swap_says_what_became_of_each_place(tmp_path: Path) -> None:
    """A refused one is a problem, another is a note with where the old one is."""
    rebuild = Told(REFUSED, SWAPPED)
    options = RebuildOptions(rebuild=True, swap=True, delete_old=True, yes=True)
    report = await concluded(rebuild, options, tmp_path, record(0))
    assert rebuild.asked == [("swap", 1, True, True)]
    assert report.problems == ["a-1 is as it was: so it is"]
    assert report.notes == ["a-2: swapped; what was there is sluice-replaced-x"]
    assert (report.exit_code, len(report.details["places"])) == (WRONG, 2)


async def test_what_could_not_be_written_is_never_swapped_in(tmp_path: Path) -> None:
    """Nor compared: it is known to lack something."""
    rebuild = Told()
    found = poisoned([record(0), record(1)], 1)
    report = await concluded(rebuild, RebuildOptions(rebuild=True, swap=True), tmp_path, *found)
    assert rebuild.asked == []
    assert "nothing is swapped in while records could not be written" in report.problems
    assert report.exit_code == WRONG


async def test_undoing_reads_no_log(tmp_path: Path) -> None:
    """And where nothing is to be taken back it says so."""
    rebuild = Told()
    report = await concluded(rebuild, RebuildOptions(undo=True), tmp_path, record(0))
    assert (rebuild.asked, rebuild.sink.ids, report.exit_code) == (["undo"], [], OK)
    assert report.notes == ["nothing of this job is in a place to take back"]


@pytest.mark.parametrize(
    ("rebuild", "more", "problem"),
    [
        (RebuildOptions(swap=True), {"sink": "search"}, "--swap: there is nothing to swap without --rebuild"),
        (
            RebuildOptions(rebuild=True, delete_old=True),
            {"sink": "search"},
            "--delete-old: nothing is replaced without",
        ),
        (RebuildOptions(rebuild=True), {"sink": "search", "how": JobOptions(dry_run=True)}, "a dry run writes nothing"),
        (RebuildOptions(rebuild=True), {"to_topic": "other"}, "--rebuild: say of what, with --sink NAME"),
        (RebuildOptions(undo=True), {"sink": "search"}, "--undo takes back the swap of a job"),
        (RebuildOptions(rebuild=True), {"sink": "search", "how": JobOptions(job="JOB")}, "cannot stand in the name of"),
        (
            RebuildOptions(rebuild=True),
            {"sink": "fallback"},
            "fallback is sink://database, whose tables have all days in one",
        ),
        (RebuildOptions(swap=True), {"how": JobOptions(resume="nobody")}, "there is no job 'nobody'"),
        (RebuildOptions(swap=True), {"how": JobOptions(resume="plain")}, "'plain' was begun without --rebuild"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_remedy(
    rebuild: RebuildOptions, more: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    """Nothing is begun."""
    (tmp_path / "sluice.yaml").write_text(f"data_dir: {tmp_path}/data\n")
    (tmp_path / "collectors.yaml").write_text(
        "data_collection_plugins: [{name: search, path: 'sink://elasticsearch', config: {timeout: 1s}}]\n"
    )
    journal = begun(tmp_path / "data" / "journals" / "gateway-1" / "0")
    await DurableLog(journal).commit([make_event("analytics")])
    await journal.close()
    JobFolder.begin(tmp_path / "data", "plain", {"command": "replay", "rebuild": None}).close()
    options = ReplayOptions(**({"rebuild": rebuild} | more))
    with pytest.raises(UsageError, match=problem):
        await replay(tmp_path / "sluice.yaml", tmp_path / "collectors.yaml", options, silent())
    assert [path.parent.name for path in (tmp_path / "data" / "jobs").glob("*/plan.json")] == ["plain"]


async def test_too_many_twins_are_said_to_be_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory has a bound."""
    monkeypatch.setattr("collectors.jobs.rebuild.job._MOST_AT_ONCE", 1)
    _, _, proof = await job(record(0), record(1))
    with pytest.raises(Halt, match="the log has some of 2 events of analytics twice, which are too many"):
        await proof.distinct(SPAN)


async def test_a_server_that_goes_away_is_a_problem_with_a_way_on(tmp_path: Path) -> None:
    """What was carried is reported, and how to go on."""

    class Gone(Told):
        async def swap(self, swapping: Any) -> list[Swapped]:
            raise Retryable("it does not answer")

    report = await concluded(Gone(), RebuildOptions(rebuild=True, swap=True), tmp_path, record(0))
    assert report.problems == ["it does not answer; go on with sluice replay --resume job --swap"]
    assert (report.written, report.exit_code) == (1, WRONG)
