"""Operators' commands as real processes, beside a real ``sluice collect`` over journals: what they see and do is so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.modes import DurableLog
from tests.integration.service import Service
from tests.integration.waiting import until
from tests.sluice.eventlog.journal.making import begun, exchange

SECONDS = 60.0
COLLECTORS = """
data_collection_plugins:
  - {{name: rows, path: "sink://database", config: {{url: "sqlite:///{folder}/rows.db"}}}}
server: {{port: {port}}}
retention: {{stores: {{rows: {{analytics: {{max_age: 30d}}}}}}}}
"""


class Host:
    """A folder with a journal that is written to, and a collector that carries it into a database."""

    def __init__(self, folder: Path) -> None:
        self.folder, port = folder, free_port()
        self.port = port
        (folder / "sluice.yaml").write_text(f"data_dir: {folder}/data\n")
        (folder / "collectors.yaml").write_text(COLLECTORS.format(folder=folder, port=port))
        self.journal: Journal = begun(folder / "data" / "journals" / "gateway-1" / "0")
        self.log = DurableLog(self.journal)
        self.collector = Service("collectors", ["collect"], folder=folder, url=f"http://{LOOPBACK}:{port}")

    async def write(self, count: int) -> list[str]:
        """Exchanges; the ids of their events."""
        made = [exchange() for _ in range(count)]
        for events in made:
            await self.log.commit(events)
        return [event.event_id for events in made for event in events]

    def rows(self) -> int:
        """How many events the database has."""
        try:
            with contextlib.closing(sqlite3.connect(self.folder / "rows.db")) as database:
                tables = ("proxy_logs", "analytics", "budget_usage")
                return sum(database.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in tables)  # noqa: S608 - ours
        except sqlite3.OperationalError:
            return 0

    async def start(self, *arguments: str) -> Process:
        """``sluice`` with these."""
        command = [sys.executable, "-m", "sluice", *arguments]
        return await asyncio.create_subprocess_exec(*command, cwd=self.folder, stdout=PIPE, stderr=PIPE)

    async def run(self, *arguments: str) -> tuple[int | None, list[dict[str, Any]], str]:
        """Its exit code, what it printed with ``--json``, and what it said."""
        process = await self.start(*arguments, "--json")
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
        return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    """Its collector runs until the end of the test."""
    host = Host(tmp_path)
    await host.write(3)
    await host.collector.start()
    yield host
    await host.collector.kill()
    await host.journal.close()


async def test_operators_see_and_do_what_they_are_told(host: Host) -> None:
    """Paused a service takes nothing in and its lag grows, resumed it carries everything, once; a tail beside it
    follows what comes, and the retention of the settings is looked after."""
    tail = await host.start("tail", "analytics", "--from", "beginning", "--json")
    await until(lambda: host.rows() == 9, SECONDS, "the first events")
    code, [paused], _ = await host.run("collectors", "rows", "pause")
    assert (code, paused["state"], paused["assignment"]) == (0, "paused", ["gateway-1/0/0"])
    await asyncio.sleep(2)  # a poll that was under way
    written = await host.write(4)
    code, lags, _ = await host.run("topics", "lag")
    assert (code, sum(lag["records"] for lag in lags if lag["group"] == "sluice.rows")) == (0, 12)
    assert all(lag["seconds_to_loss"] > 6 * 86_400 for lag in lags if lag["records"])
    assert host.rows() == 9
    assert (await host.run("collectors", "rows", "resume"))[0] == 0
    await until(lambda: host.rows() == 21, SECONDS, "all events")
    await follows(tail, written)
    [listed] = (await host.run("collectors"))[1]
    assert (listed["state"], listed["outcomes"], listed["retries"]) == ("running", {"delivered": 21}, {})
    assert "Traceback" not in host.collector.log_path.read_text()
    assert (host.folder / "data" / "locks" / "retention.lock").exists(), "the job looked as well"


async def follows(tail: Process, written: list[str]) -> None:
    """It has shown what was there and then what came; an interrupt ends it with 130 and without a word."""
    assert tail.stdout is not None
    async with asyncio.timeout(SECONDS):
        seen = [json.loads(await tail.stdout.readline()) for _ in range(7)]
    assert [each["event"]["event_id"] for each in seen[3:]] == [each for each in written if each.endswith("-a")]
    tail.send_signal(signal.SIGINT)
    assert (await tail.communicate())[1] == b""
    assert tail.returncode == 130
