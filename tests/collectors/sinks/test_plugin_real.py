"""Collectors that run plugins over a journal: the seed's data collectors, in Python and in Go, and through a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from collectors.metrics import CollectorMetrics
from collectors.service import Service
from collectors.settings import HostSettings, Settings
from schemas.events import KINDS, Kind
from schemas.ids import new_boot_id
from schemas.topics import Topics
from sluice.eventlog.connect import open_publisher, open_source
from sluice.eventlog.interface import Boot
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.places import gateway_journal
from sluice.eventlog.settings import JournalSettings
from tests.collectors.events import make_event
from tests.collectors.fakes import until
from tests.go_build import GoPlugins

DEADLINE_SECONDS = 30.0

COLLECTOR = """
from pathlib import Path
from pydantic import BaseModel
from sluice.sdk import BasePlugin
from sluice.sdk.capabilities import DataCollector
from sluice.sdk.collecting import DataCollectionResponse


class Config(BaseModel):
    output: str
    fail_first: int = 0


class FileCollector(BasePlugin[Config], DataCollector):
    async def initialize(self, ctx, config):
        self.file = Path(config.output).open("a", buffering=1)
        self.failures = config.fail_first

    async def _keep(self, event):
        if self.failures > 0:
            self.failures -= 1
            raise OSError("the disk is full")
        self.file.write(f"{event.event_id}\\n")
        return DataCollectionResponse.done()

    async def handle_proxy_log(self, ctx, log):
        return await self._keep(log)

    async def handle_analytics(self, ctx, analytics):
        return await self._keep(analytics)

    async def handle_budget_usage(self, ctx, usage):
        return await self._keep(usage)

    async def shutdown(self, ctx):
        self.file.close()
"""


async def write_events(data_dir: Path, count: int, kinds: Sequence[Kind] = KINDS) -> list[str]:
    """So many exchanges into the journal of a worker; returns the events' ids."""
    journal = Journal(gateway_journal(data_dir, "gw", "0"), JournalSettings(), Topics(), embedded=True)
    journal.begin(Boot("gw", "0", new_boot_id()))
    ids = []
    for _ in range(count):
        events = [make_event(kind) for kind in kinds]
        await journal.append(events)
        ids += [event.event_id for event in events]
    await journal.close()
    return ids


class Collecting:
    """One service of one entry, as a process runs it."""

    def __init__(self, folder: Path, plugin_host: dict[str, Any] | None = None, **entry: Any) -> None:
        given = {"name": "mine", "retry": {"base_seconds": 0.01, "max_seconds": 0.05}, **entry}
        [plan] = Settings.model_validate({"data_collection_plugins": [given]}).services()
        self.metrics = CollectorMetrics()
        host = HostSettings.model_validate({"data_dir": folder / "data", "plugin_host": plugin_host or {}})
        self.service = Service(
            plan,
            host,
            self.metrics,
            open_source=lambda subscription: open_source(host, host.data_dir, subscription),
            open_publisher=lambda service: open_publisher(host, host.data_dir, service),
            drain_seconds=10.0,
            folder=folder,
        )

    def count(self, outcome: str) -> int:
        return self.metrics.records.value("mine", outcome)

    async def until_finished(self, records: int) -> None:
        """Run until so many records have an outcome, and then to the end."""
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.service.run())
            finished = ("delivered", "passed", "filtered", "dead_lettered")
            await until(lambda: sum(map(self.count, finished)) >= records, DEADLINE_SECONDS)
            self.service.stop()
            await asyncio.wait({running})


def lines(path: Path) -> list[str]:
    """What a collector has written."""
    return path.read_text().split() if path.exists() else []


async def until_written(path: Path, count: int) -> None:
    """Wait until a collector has written so many events."""
    await until(lambda: len(set(lines(path))) >= count, DEADLINE_SECONDS, 0.02)


async def test_a_python_collector_gets_every_event_once(tmp_path: Path) -> None:
    """Of all three kinds, from a real journal; and nothing again when it is run again."""
    (tmp_path / "collector.py").write_text(COLLECTOR)
    ids = await write_events(tmp_path / "data", 200)
    output = tmp_path / "out"
    first = Collecting(tmp_path, path="collector.py", config={"output": str(output)})
    await first.until_finished(600)
    assert sorted(lines(output)) == sorted(ids)
    assert first.count("delivered") == 600
    more = await write_events(tmp_path / "data", 10)
    await Collecting(tmp_path, path="collector.py", config={"output": str(output)}).until_finished(30)
    assert sorted(lines(output)) == sorted([*ids, *more])


async def test_what_failed_comes_again_and_the_rest_does_not(tmp_path: Path) -> None:
    """A collector whose disk is full for a while has each event exactly once in the end."""
    (tmp_path / "collector.py").write_text(COLLECTOR)
    ids = await write_events(tmp_path / "data", 50, ("analytics",))
    output = tmp_path / "out"
    collecting = Collecting(tmp_path, path="collector.py", config={"output": str(output), "fail_first": 20})
    await collecting.until_finished(50)
    assert sorted(lines(output)) == sorted(ids)
    assert collecting.metrics.retries.value("mine", "transient") > 0


async def test_a_kill_loses_nothing(tmp_path: Path) -> None:
    """``sluice collect`` killed in the middle of its work: the next one brings what is missing, each at least once."""
    slow = "import asyncio; await asyncio.sleep(0.002)"
    source = COLLECTOR.replace("self.file.write", f"{slow}\n        self.file.write")
    (tmp_path / "collector.py").write_text(source)
    ids = await write_events(tmp_path / "data", 300, ("analytics",))
    output = tmp_path / "out"
    entry = {"name": "mine", "path": "collector.py", "config": {"output": str(output)}, "hook_types": ["analytics"]}
    settings = {"data_collection_plugins": [entry], "server": {"port": 0}}
    (tmp_path / "collectors.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "sluice.yaml").write_text(f"data_dir: {tmp_path / 'data'}\n")
    for at_least in (50, len(ids)):
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sluice", "collect", cwd=tmp_path, stdout=quiet, stderr=quiet
        )
        try:
            await until_written(output, at_least)
        finally:
            process.kill()
            await process.wait()
    assert set(lines(output)) == set(ids)


@pytest.mark.parametrize("generation", ["unified", "legacy"])
async def test_go_collectors_run_as_they_are(tmp_path: Path, go_plugins: GoPlugins, generation: str) -> None:
    """An executable of either generation takes events over its own protocol; nothing is given up."""
    await write_events(tmp_path / "data", 20, ("analytics", "budget"))
    output = tmp_path / "out"
    path = go_plugins.unified if generation == "unified" else go_plugins.legacy("data_collection")
    config = {"collect_to": str(output)} if generation == "unified" else {}
    collecting = Collecting(
        tmp_path, {"allowed_directories": [str(go_plugins.folder)]}, path=f"file://{path}", config=config
    )
    await collecting.until_finished(40)
    assert collecting.count("delivered") == 40
    if generation == "unified":
        assert sorted(output.read_text().splitlines()) == ["analytics r-1 7"] * 20 + ["budget r-1 7"] * 20


async def test_a_go_collector_that_dies_is_started_again(tmp_path: Path, go_plugins: GoPlugins) -> None:
    """Killed while there is work: events wait for its next process, and none is lost."""
    await write_events(tmp_path / "data", 10, ("analytics",))
    output = tmp_path / "out"
    host = {"allowed_directories": [str(go_plugins.folder)], "process": {"restart_base_seconds": 0.05}}
    config = {"collect_to": str(output)}
    collecting = Collecting(tmp_path, host, path=f"file://{go_plugins.unified}", config=config)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(collecting.service.run())
        await until(lambda: collecting.count("delivered") == 10, DEADLINE_SECONDS)
        os.kill(_pid_of(collecting), signal.SIGKILL)
        await write_events(tmp_path / "data", 10, ("analytics",))
        await until(lambda: collecting.count("delivered") == 20, DEADLINE_SECONDS)
        collecting.service.stop()
        await asyncio.wait({running})


def _pid_of(collecting: Collecting) -> int:
    """Of the plugin's process."""
    life: Any = collecting.service._life
    [loaded] = life.pipeline.outlets[0].sink.within._host.plugins
    pid: int = loaded.running.described.pid
    return pid
