"""The file sink as a whole: its folder, its kinds, its age; the laws of all sinks are in tests/contracts."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from collectors.entries import FileEntry
from collectors.errors import Halt
from collectors.settings import ControlSettings, HostSettings
from collectors.sinks.file import sink as sink_module
from collectors.sinks.file.aggregate import AggregateFile
from collectors.sinks.file.settings import FileSettings
from collectors.sinks.file.sink import OWNER_NAME, FileSink, open_sink
from collectors.sinks.interface import Verdict
from collectors.sinks.registry import SinkOpening
from schemas.events import KINDS
from tests.contracts.sink_laws import LogPart, skip_as_root, within


def make(path: Path, owner: str = "files", **settings: Any) -> FileSink:
    """A sink on a folder."""
    return FileSink(FileSettings.model_validate(settings), path, owner=owner)


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[FileSink]:
    """One that has started."""
    made = make(tmp_path / "out")
    await made.start()
    yield made
    await made.close()


def published(path: Path) -> dict[str, Path]:
    """The finished files by what comes before the first dash and their extension."""
    return {f"{each.name.partition('.v1')[0]}{each.suffix}": each for each in path.iterdir() if each.name[0] != "."}


async def test_without_a_format_files_are_the_references(sink: FileSink, tmp_path: Path) -> None:
    """JSON lines of proxy logs and analytics, CSV of budgets."""
    log = LogPart()
    for kind in KINDS:
        assert await sink.write(sink.prepare(log.frame(kind)).documents) == Verdict()
    await sink.close()
    files = published(tmp_path / "out")
    assert sorted(files) == ["sluice.analytics.jsonl", "sluice.budget.csv", "sluice.proxy-log.jsonl"]
    with files["sluice.budget.csv"].open(newline="") as file:
        assert [row["tokens_used"] for row in csv.DictReader(file)] == ["46"] * 3
    lines = files["sluice.proxy-log.jsonl"].read_bytes().splitlines()
    assert [json.loads(line)["request_body"] for line in lines] == ['{"model":"gpt-4o"}'] * 3


async def test_totals_instead_of_budgets(tmp_path: Path) -> None:
    """The other kinds are files as ever; a restart and a redelivery change nothing."""
    log = LogPart()
    frame, other = log.frame("budget", 4), log.frame("analytics")
    for attempt in range(2):
        made = make(tmp_path, aggregate_mode="true")
        await made.start()
        again = log.redelivered(frame) if attempt else frame
        assert await made.write(made.prepare(again).documents) == Verdict(duplicates=4 * attempt)
        await made.write(made.prepare(log.redelivered(other)).documents)
        await made.close()
    assert sorted(published(tmp_path)) == ["budget_aggregate.json.json", "sluice.analytics.jsonl"]
    [total] = json.loads((tmp_path / "budget_aggregate.json").read_bytes())["totals"].values()
    assert total["requests_count"] == 4


async def test_a_folder_is_one_entry_s(sink: FileSink, tmp_path: Path) -> None:
    """Another's records would be taken for duplicates: it is told so, and whose folder it is."""
    other = make(tmp_path / "out", owner="others")
    with pytest.raises(Halt, match="'files'"):
        await other.start()
    await other.close()
    assert (tmp_path / "out" / OWNER_NAME).read_text() == "files"


async def test_a_folder_without_rights_halts(tmp_path: Path) -> None:
    """With the folder's name and what to do."""
    skip_as_root()
    tmp_path.chmod(0o500)
    with pytest.raises(Halt, match="may write to"):
        await make(tmp_path / "out").start()
    tmp_path.chmod(0o700)


async def test_a_start_finishes_what_a_killed_process_left(tmp_path: Path) -> None:
    """Without waiting for a record of its partition; and there it says where to go on."""
    log = LogPart()
    killed = make(tmp_path)
    await killed.start()
    frame = log.frame(count=6)
    await killed.write(killed.prepare(frame).documents)
    for partition in killed._writes._partitions.values():
        partition.store._let_go()  # type: ignore[attr-defined]  # as the end of its process does
    after = make(tmp_path, format="parquet")
    await after.start()
    assert list(published(tmp_path)) == ["sluice.analytics.jsonl"]
    assert await after.write(after.prepare(log.redelivered(frame)).documents) == Verdict(duplicates=6)
    await after.close()


async def test_a_start_removes_what_a_killed_process_was_at(tmp_path: Path) -> None:
    """Totals that were to be replaced, and what was written to see that one may: not those that somebody is at now."""
    leftovers = [".budget_aggregate.json.0a1b2c3d.tmp", ".probe.0a1b2c3d"]
    others = [".budget_aggregate.json.lock", "budget_aggregate.json.mine.tmp", ".other.0a1b2c3d.tmp"]
    for name in (*leftovers, *others):
        (tmp_path / name).write_bytes(b"{")
    totals = AggregateFile(tmp_path)
    with ThreadPoolExecutor(1) as threads, totals.held():
        tidying = threads.submit(AggregateFile(tmp_path).tidy)
        assert wait([tidying], timeout=0.2).not_done
        assert (tmp_path / leftovers[0]).exists()
        totals.write({"version": 1, "totals": {}, "covers": {}})
    sink = make(tmp_path, aggregate_mode=True)
    await sink.start()
    await sink.close()
    assert {path.name for path in tmp_path.iterdir()} == {*others, OWNER_NAME, "budget_aggregate.json"}


async def test_files_are_finished_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the writes, also when nothing more comes."""
    monkeypatch.setattr(sink_module, "_TEND_SECONDS", 0.01)
    now = [0.0]
    made = FileSink(FileSettings(max_age=60), tmp_path, owner="s", clock=lambda: now[0])
    await made.start()
    keeping = asyncio.get_running_loop().create_task(made.keep())
    await made.write(made.prepare(LogPart().frame()).documents)
    await asyncio.sleep(0.05)
    assert published(tmp_path) == {}
    now[0] = 61.0

    async def is_there() -> bool:
        return bool(published(tmp_path))

    await within(is_there)
    keeping.cancel()
    await asyncio.wait({keeping})
    await made.close()


async def test_several_partitions_of_several_journals(sink: FileSink, tmp_path: Path) -> None:
    """One frame with records of all of them: a file for each."""
    logs = [LogPart(number) for number in range(4)]
    frames = [log.frame(count=3) for log in logs]
    documents = [document for frame in frames for document in sink.prepare(frame).documents]
    assert await sink.write(documents[::-1]) == Verdict()
    await sink.close()
    assert len([path for path in (tmp_path / "out").iterdir() if path.name[0] != "."]) == 4


async def test_a_relative_folder_begins_at_the_settings(tmp_path: Path) -> None:
    """Not where the process happens to be."""
    entry = FileEntry.model_validate({"name": "f", "path": "sink://file", "config": {"output_directory": "below"}})
    made = open_sink(entry, SinkOpening(HostSettings(), tmp_path, ControlSettings()))
    assert not (tmp_path / "below").exists()
    await made.start()
    assert (tmp_path / "below" / OWNER_NAME).read_text() == "f/f"
    await made.close()
    opening = SinkOpening(HostSettings(), tmp_path, ControlSettings(), "another")
    fallback = open_sink(entry, opening)  # of the same name, as every service's fallback has
    with pytest.raises(Halt, match="'f/f'"):
        await fallback.start()
    await fallback.close()


async def test_a_full_disk(tmp_path: Path) -> None:
    """A real one: what fits is kept, what does not is named as retryable, and there is room again later."""
    if os.geteuid() != 0 or not Path("/proc/self/mountinfo").exists():
        pytest.skip("only root may mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    process = await asyncio.create_subprocess_exec("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk))
    if await process.wait() != 0:
        pytest.skip("mounting is not allowed here")
    try:
        await _fill(disk)
    finally:
        process = await asyncio.create_subprocess_exec("umount", "-l", str(disk))
        await process.wait()


async def _fill(disk: Path) -> None:
    ballast, log = disk / "ballast", LogPart()
    made = make(disk / "out", format="jsonl")
    await made.start()
    first = log.frame(count=10)
    assert await made.write(made.prepare(first).documents) == Verdict()
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4_096):
            continue
    more = log.frame("analytics", 400)
    verdict = await made.write(made.prepare(more).documents)
    assert len(verdict.retry) == 400
    assert "space" in str(verdict.cause)
    ballast.unlink()
    assert await made.write(made.prepare(more).documents) == Verdict()
    await made.close()
    files = sorted(each for each in (disk / "out").iterdir() if each.name[0] != ".")
    ids = [json.loads(line)["event_id"] for each in files for line in each.read_bytes().splitlines()]
    assert ids == [*first.rows["event_id"], *more.rows["event_id"]]
