"""The desk: what it tells of the log by real commands, and what it holds whatever commands do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from collectors.operations.desk import desk as module
from collectors.operations.desk.asking import DeskError, Letters
from collectors.operations.desk.children import COMMAND, Said
from collectors.operations.desk.desk import Desk
from sluice.cli import build_app
from tests.collectors.jobs.redrive.benches import Bench, letters_of, made

STUB = Path(__file__).with_name("stub.py")


def stubbed(folder: Path) -> Desk:
    """A desk whose command answers at once."""
    return Desk(Path("a.yaml"), Path("c.yaml"), folder, (sys.executable, "-S", str(STUB), str(folder)))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """The same; what it began has ended behind the test."""
    desk = stubbed(tmp_path)
    yield desk
    await desk.close()


def asked_of(folder: Path) -> list[list[str]]:
    """What the command was asked, each time."""
    return [orjson.loads(line) for line in (folder / "asked.jsonl").read_bytes().splitlines()]


async def _refused(question: Awaitable[Any]) -> DeskError:
    with pytest.raises(DeskError) as refused:
        await question
    return refused.value


async def until(desk: Desk, found: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The newest job, when it is so."""
    async with asyncio.timeout(60):
        while True:
            jobs = (await desk.jobs())["jobs"]
            if jobs and found(jobs[0]):
                newest: dict[str, Any] = jobs[0]
                return newest
            await asyncio.sleep(0.05)


async def by_the_real_command(command: Sequence[str], _seconds: float) -> Said:
    """As a child would, without the second that it takes to start one."""
    result = await asyncio.to_thread(CliRunner().invoke, build_app(), list(command)[len(COMMAND) :])
    return Said(result.exit_code, result.stdout_bytes, result.stderr.strip())


async def test_from_a_count_to_a_redrive_by_the_real_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters by reason and collector, one of them whole, one that is not there; what would be given back; then it is,
    and the sink has it."""
    monkeypatch.setattr("sluice.logs.configure_logs", lambda *_: None)
    monkeypatch.setattr(module, "ask", by_the_real_command)
    monkeypatch.setattr(module, "_AT_ONCE", 1)  # what is run prints to one output
    bench = Bench(tmp_path)
    bench.write(bench.database())
    await bench.publish(letters_of(made(5)))
    desk, wanted = Desk(bench.config, bench.collectors, bench.data_dir), Letters("store", "row_refused")
    try:
        counts, report, listed = await asyncio.gather(desk.counts(), desk.dry_run(wanted), desk.letters(wanted))
        assert counts["counts"] == [{"count": 5, "reason": "row_refused", "collector": "store", "kind": "analytics"}]
        assert (report["report"]["matched"], bench.stored()) == (5, [])
        first = listed["letters"][0]
        assert "event" not in first
        one, gone = await asyncio.gather(desk.letter(first["id"]), _refused(desk.letter("collectors/store/0/9")))
        assert one["letter"]["dead_letter"]["error.type"] == "row_refused"
        assert one["letter"]["event"]["event_id"] == first["event_id"]
        assert (gone.status, "nothing lies at" in str(gone)) == (404, True)
        begun = await desk.redrive(wanted, "ops")
        ended = await until(desk, lambda job: job["state"] not in {"starting", "running"})
        assert (ended["job"], ended["state"], ended["written"], ended["problems"]) == (begun["job"], "complete", 5, [])
        assert ended["asked"] == {"reasons": ["row_refused"], "collector": "store"}
        assert len(bench.stored()) == 5
    finally:
        await desk.close()


async def test_who_asks_at_once_asks_once(desk: Desk, tmp_path: Path) -> None:
    """Ten pages of one moment cost one reading of the log; another question is another reading."""
    await asyncio.gather(*(desk.counts() for _ in range(8)), desk.letters(Letters("store")))
    assert [each[0] for each in asked_of(tmp_path)] == ["dead-letters", "dead-letters"]
    assert asked_of(tmp_path)[0][-3:] == ["--config=a.yaml", "--", "count"] or asked_of(tmp_path)[1][-1] == "count"


async def test_a_redrive_is_begun_once_and_cancelled(desk: Desk, tmp_path: Path) -> None:
    """With what was asked for, as values; a second one has to wait; a cancelled one may be gone on with."""
    job = (await desk.redrive(Letters("store", "--dry-run"), "ops"))["job"]
    async with asyncio.timeout(30):
        while not (tmp_path / "begun").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.02)
    options = asked_of(tmp_path)[0]
    assert {"--collector=store", "--reason=--dry-run", f"--job={job}", "--collectors=c.yaml"} <= set(options)
    with pytest.raises(DeskError, match="still runs") as refused:
        await desk.redrive(Letters(), "ops")
    assert refused.value.status == 409
    assert await desk.cancel(job, "ops") == {"job": job}
    await until(desk, lambda each: each["state"] == "broken off")  # the stub leaves no report
    async with asyncio.timeout(30):
        while desk._running[job].code is None:  # noqa: ASYNC110 - the kernel tells it no other way
            await asyncio.sleep(0.02)
    with pytest.raises(DeskError, match="was not begun here, or has ended"):
        await desk.cancel(job, "ops")


async def test_of_two_who_give_back_at_once_one_does(desk: Desk, tmp_path: Path) -> None:
    """Two consoles at the same moment: one redrive begins, the other is told so; letters are given back once."""
    found = await asyncio.gather(
        *(desk.redrive(Letters(), f"ops {number}") for number in range(4)), return_exceptions=True
    )
    refused = [each for each in found if isinstance(each, DeskError)]
    assert [each.status for each in refused] == [409] * 3
    await until(desk, lambda job: job["state"] == "running")
    assert [each[0] for each in asked_of(tmp_path)] == ["redrive"]


async def test_a_job_of_somebody_else_is_seen_and_not_cancelled(desk: Desk) -> None:
    """The message says how it is ended."""
    with pytest.raises(DeskError, match="Ctrl-C where it runs") as refused:
        await desk.cancel("january", "ops")
    assert refused.value.status == 409


async def test_one_that_is_refused_before_it_begins_says_why(desk: Desk, tmp_path: Path) -> None:
    """It has no folder; what it said stands in its place."""
    (tmp_path / "fails").write_text("another redrive runs here: wait for it, or stop it")
    job = (await desk.redrive(Letters(), "ops"))["job"]
    found = await until(desk, lambda each: each["state"] == "refused")
    assert (found["job"], found["problems"]) == (job, ["another redrive runs here: wait for it, or stop it"])


async def test_a_command_that_fails_is_no_empty_answer(desk: Desk, tmp_path: Path) -> None:
    """It is said why, and asked again the next time."""
    (tmp_path / "fails").write_text("Kafka is away; check kafka.bootstrap_servers")
    with pytest.raises(DeskError, match="Kafka is away") as refused:
        await desk.counts()
    assert refused.value.status == 502
    (tmp_path / "fails").unlink()
    assert (await desk.counts())["counts"][0]["count"] == 5


async def test_who_waits_for_an_answer_gets_its_failure_as_well(desk: Desk, tmp_path: Path) -> None:
    """A log that cannot be read in time is read once for all who wait, not by each behind the other."""
    (tmp_path / "fails").write_text("Kafka is away")
    found = await asyncio.gather(*(desk.counts() for _ in range(6)), return_exceptions=True)
    assert [str(each) for each in found] == ["Kafka is away"] * 6
    assert len(asked_of(tmp_path)) == 1


async def test_answers_are_kept_for_a_moment_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be many megabytes: whoever asks something else drops those that are old."""
    monkeypatch.setattr(module, "_KEPT_SECONDS", 0.0)
    for number in range(3):
        await desk.letters(Letters(reason=f"r{number}"))
    assert len(desk._answers) == 1


async def test_a_dry_run_that_says_nothing_is_no_count(tmp_path: Path) -> None:
    """502 with a reason, and no page that breaks."""
    silent = Desk(Path("a.yaml"), Path("c.yaml"), tmp_path, (sys.executable, "-S", "-c", "pass"))
    assert (await _refused(silent.dry_run(Letters()))).status == 502


async def test_too_many_questions_are_refused_at_once(desk: Desk) -> None:
    """Instead of a queue that grows: each would start a process of its own."""
    asked = [desk.letters(Letters(reason=f"r{number}")) for number in range(20)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in found if isinstance(each, DeskError)]
    assert 0 < len(refused) < 20
    assert {each.status for each in refused} == {503}


@pytest.mark.parametrize("letter", ["", "-h", "--config=x"])
async def test_an_option_is_no_letter(desk: Desk, letter: str) -> None:
    """Nothing that was asked for from outside becomes an option of a command."""
    with pytest.raises(DeskError, match="id: must be"):
        await desk.letter(letter)
