"""The whole command over a host's journals: into the events database, into files, into another topic."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collectors.jobs.folder import JobFolder
from sluice.clock import now_micros
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.modes import DurableLog
from tests.collectors.events import make_event
from tests.collectors.jobs.replay.running import replayed
from tests.collectors.scripted_elasticsearch import Reply, ScriptedElasticsearch, error_body
from tests.integration.stack import write_yaml
from tests.integration.stores import TABLES, read_database
from tests.integration.waiting import until
from tests.sluice.eventlog.journal.making import begun, exchange

EXCHANGES = 200


class Host:
    """A folder with a journal and both settings files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = folder / "rows.db"
        write_yaml(folder / "sluice.yaml", {"data_dir": str(folder / "data")})
        self.configure()
        self.journal: Journal = begun(folder / "data" / "journals" / "gateway-1" / "0")
        self.log = DurableLog(self.journal)

    def configure(self, **more: Any) -> None:
        """The entries that tests name."""
        entries: list[Any] = [
            {"name": "rows", "path": "sink://database", "config": {"url": f"sqlite:///{self.rows}"}},
            {"name": "files", "path": "sink://file", "config": {"output_directory": "out", "format": "jsonl"}},
            {"name": "search", "path": "sink://elasticsearch", "config": {"elasticsearch_url": "http://127.0.0.1:9"}},
        ]
        write_yaml(self.folder / "collectors.yaml", {"data_collection_plugins": entries, **more})

    async def write(self, count: int, **changes: Any) -> list[str]:
        """Exchanges; the ids of their events."""
        made = [exchange() for _ in range(count)] if not changes else []
        made += [[make_event("analytics", **changes)] for _ in range(count if changes else 0)]
        for events in made:
            await self.log.commit(events)
        return [event.event_id for events in made for event in events]

    async def replay(self, sink: str = "", **given: Any) -> tuple[int, dict[str, Any], str]:
        """The command, in this process."""
        return await replayed(self.folder, sink, **given)

    def stored(self) -> list[str]:
        """The ids of the events in the database."""
        return sorted(row["event_id"] for rows in read_database(self.rows).values() for row in rows)


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """With a journal that goes on being written to."""
    host = Host(tmp_path)
    yield host
    await host.journal.close()


async def test_a_lost_database_comes_back_and_a_second_replay_changes_nothing(host: Host) -> None:
    """Every event once, and its money; deleted rows alone are written again, and then none is."""
    ids = sorted(await host.write(EXCHANGES))
    code, report, _ = await host.replay("rows")
    assert (code, report["written"]) == (0, len(ids))
    assert host.stored() == ids
    before = read_database(host.rows)
    with closing(sqlite3.connect(host.rows)) as database:
        queries = [f"DELETE FROM {table} WHERE rowid % 3 = 0" for table in TABLES.values()]  # noqa: S608 - ours
        deleted = sum(database.execute(query).rowcount for query in queries)
        database.commit()
    assert deleted
    code, report, _ = await host.replay("rows")
    assert (code, report["written"], report["already_there"]) == (0, deleted, len(ids) - deleted)
    assert host.stored() == ids
    money = {kind: sum(row.get("cost_nanos") or 0 for row in rows) for kind, rows in before.items()}
    assert money == {
        kind: sum(row.get("cost_nanos") or 0 for row in rows) for kind, rows in read_database(host.rows).items()
    }
    content = host.rows.read_bytes()
    code, report, _ = await host.replay("rows")
    assert (code, report["written"], report["already_there"]) == (0, 0, len(ids))
    assert host.rows.read_bytes() == content


async def test_a_range_ends_where_it_was_fixed(host: Host) -> None:
    """What is appended while it runs is not of it."""
    ids = sorted(await host.write(20))
    async with asyncio.TaskGroup() as tasks:
        replaying = tasks.create_task(host.replay("rows", job="slow", rate=100.0))
        await until((host.folder / "data" / "jobs" / "slow" / "plan.json").exists, 30.0, "a plan")
        await host.write(20)
    _, report, _ = replaying.result()
    assert (report["read"], host.stored()) == (60, ids)


async def test_files_are_the_job_s_own(host: Host) -> None:
    """Below `replay=<job>/` of where the live ones lie, which it does not meet; each event once."""
    ids = sorted(await host.write(30))
    code, report, _ = await host.replay("files", job="again")
    assert (code, report["written"]) == (0, len(ids))
    written = sorted((host.folder / "out").rglob("*.jsonl"))
    assert {path.parent.name for path in written} == {"replay=again"}
    assert sorted(json.loads(line)["event_id"] for path in written for line in path.read_text().splitlines()) == ids
    assert (host.folder / "out" / "replay=again" / ".owner").read_text() == "replay=again/files"


async def test_a_topic_of_the_journals(host: Host) -> None:
    """The records go into a journal of the job's own, and no event's topic has one more."""
    ids = await host.write(10)
    code, report, _ = await host.replay(to_topic="sluice.copy.v1", where="outcome = 'ok'")
    assert (code, report["written"] <= len(ids)) == (0, True)
    _, again, _ = await host.replay(dry_run=True)
    assert again["read"] == len(ids)


async def test_a_dry_run_writes_nothing_and_counts_what_the_real_one_counts(host: Host) -> None:
    """With any filter; no folder is made for it."""
    await host.write(50, app_id=7)
    await host.write(30, app_id=8)
    given: dict[str, Any] = {"topics": ("analytics",), "where": "app_id = 8"}
    code, dry, _ = await host.replay("rows", dry_run=True, **given)
    assert (code, dry["state"], dry["matched"], dry["written"]) == (0, "counted", 30, 0)
    assert not host.rows.exists()
    assert not (host.folder / "data" / "jobs").exists()
    _, real, _ = await host.replay("rows", **given)
    for name in ("read", "matched", "size_bytes", "first_at", "last_at", "failed"):
        assert real[name] == dry[name]


async def test_two_jobs_of_one_name_are_refused(host: Host) -> None:
    """While one runs, and afterwards; two of different names run side by side, and each event is there once."""
    ids = sorted(await host.write(40))
    async with asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(host.replay("rows", job=name)) for name in ("one", "other")]
    reports = [task.result() for task in both]
    assert [code for code, _, _ in reports] == [0, 0]
    assert sum(report["written"] for _, report, _ in reports) == len(ids)
    assert host.stored() == ids
    code, _, said = await host.replay("rows", job="one")
    assert (code, "--resume one" in said) == (2, True)
    with JobFolder.resume(host.folder / "data", "one"):
        code, _, said = await host.replay("", resume="one")
    assert (code, "being worked on by process" in said) == (2, True)


async def test_a_target_that_is_away_is_said_before_anything_is_begun(host: Host) -> None:
    """Exit code 1, the cause, what to do; no job is left behind."""
    await host.write(1)
    code, _, said = await host.replay("search", job="january")
    assert (code, "--sink search does not answer" in said) == (1, True)
    assert not (host.folder / "data" / "jobs").exists()
    (host.folder / "out").write_bytes(b"")
    code, _, said = await host.replay("files")
    assert (code, "--sink files" in said) == (1, True)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_target_that_refuses_us_is_said(host: Host, status: int) -> None:
    """At the start nothing is begun; in the middle the job stops at once, nothing is a failure by it, and when we may
    write it is gone on with."""
    await host.write(20, occurred_at=now_micros())
    server = ScriptedElasticsearch()
    await server.start()
    refused: list[str] = ["/"]
    server.guard = lambda request, _headers: (
        Reply(status, error_body("security_exception", "no")) if any(each in request for each in refused) else None
    )
    entry = {"name": "search", "path": "sink://elasticsearch", "config": {"elasticsearch_url": server.url}}
    write_yaml(host.folder / "collectors.yaml", {"data_collection_plugins": [entry]})
    try:
        code, _, said = await host.replay("search", job="job")
        assert (code, "cannot be written to" in said, str(status) in said) == (1, True, True)
        refused[:] = ["_bulk"]
        code, report, _ = await host.replay("search", job="job")
        assert (code, report["state"], report["failed"], report["written"]) == (1, "stopped", 0, 0)
        assert str(status) in report["problems"][0]
        refused.clear()
        code, report, _ = await host.replay("", resume="job")
        assert (code, report["written"], len(server.documents)) == (0, 20, 20)
    finally:
        await server.close()


@pytest.mark.parametrize(
    ("sink", "given", "words"),
    [
        ("", {}, "say where to"),
        ("rows", {"to_topic": "x"}, "one of them"),
        ("row", {}, "did you mean rows?"),
        ("rows", {"job": "a/b"}, "no name for a job"),
        ("", {"resume": "never"}, "there are: none"),
        ("rows", {"resume": "never", "job": "x"}, "leave --job"),
        ("rows", {"topics": ("x",)}, "no topic or kind 'x'"),
        ("", {"to_topic": "sluice.analytics.v1", "topics": ("analytics",)}, "--yes"),
    ],
)
async def test_what_cannot_be_is_said(host: Host, sink: str, given: Any, words: str) -> None:
    """Exit code 2, and what would be."""
    await host.write(1)
    code, _, said = await host.replay(sink, **given)
    assert (code, words in said) == (2, True), said


async def test_what_retention_would_delete_again_does_not_come_back_unasked(host: Host) -> None:
    """The guard is asked before the first event is written; `--yes` brings them back."""
    await host.journal.close()
    long_ago = now_micros() - 60 * 86_400_000_000
    host.journal = begun(host.folder / "data" / "journals" / "gateway-1" / "1", clock=lambda: long_ago)
    host.log = DurableLog(host.journal)
    await host.write(5)
    host.configure(retention={"stores": {"rows": {"analytics": {"max_age": "30d"}}}})
    code, _, said = await host.replay("rows")
    assert (code, "--yes" in said, host.rows.exists() and bool(host.stored())) == (2, True, False)
    code, report, _ = await host.replay("rows", dry_run=True)
    assert (code, "would be there again" in report["notes"][0]) == (0, True)
    code, report, _ = await host.replay("rows", yes=True)
    assert (code, report["written"]) == (0, 15)


@pytest.mark.parametrize("count", [2, 9])
async def test_a_journal_that_was_made_anew_is_not_gone_on_with(host: Host, count: int) -> None:
    """Whether it ends before the job's range does or behind it: nothing of it is what the job was asked for, and it is
    not called done. Its id tells, within the same second."""
    await host.write(5)
    assert (await host.replay("rows", job="one"))[0] == 0
    await host.journal.close()
    shutil.rmtree(host.folder / "data" / "journals")
    host.journal = begun(host.folder / "data" / "journals" / "gateway-1" / "0")
    host.log = DurableLog(host.journal)
    await host.write(count)
    code, _, said = await host.replay("", resume="one", yes=True)
    assert (code, "its id is" in said, "made anew" in said) == (2, True, True), said
