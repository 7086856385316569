"""Tests of ``collectors.beside``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from collectors.beside import Beside, Part, parts_of
from collectors.metrics import CollectorMetrics
from collectors.settings import HostSettings, Settings
from sluice.settings import parse_document, settings_of
from tests.collectors.fakes import until
from tests.collectors.virtual_time import virtual_time

ENTRY = "data_collection_plugins: [{name: a, path: 'sink://database', config: {url: 'sqlite:///%s.db'}}]\n"
NOTHING = "data_collection_plugins: []\n"


def settings(text: str) -> Settings:
    """What a file with this text says."""
    return settings_of(parse_document(text.encode(), "collectors.yaml"), Settings, "collectors.yaml")


class Noted:
    """Parts that note when they begin and end."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def part(self, name: str, *, made_from: Any) -> Part:
        async def run(_: Settings) -> None:
            self.said.append(f"{name} begins")
            try:
                await asyncio.Event().wait()
            finally:
                self.said.append(f"{name} ends")

        return Part(made_from, run)


@asynccontextmanager
async def running(beside: Beside) -> AsyncIterator[None]:
    """Until the block ends."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(beside.run())
        yield
        task.cancel()


async def test_one_is_begun_anew_when_what_it_is_made_from_changes_and_no_other_is() -> None:
    """A change concerns whom it concerns; what is not wanted any more ends, and begins when it is wanted again."""
    noted = Noted()
    parts = (
        noted.part("retention", made_from=lambda found: found.retention),
        noted.part("rest", made_from=lambda found: found.version),
    )
    beside = Beside(settings(NOTHING + "retention: {}"), parts)
    async with running(beside):
        await until(lambda: noted.said == ["retention begins", "rest begins"])
        noted.said.clear()
        beside.take(settings(NOTHING + "retention: {}\nshutdown_seconds: 9"))
        beside.take(settings(NOTHING + "retention: {expired_kv: false}"))
        await until(lambda: noted.said == ["retention ends", "retention begins"])
        beside.take(settings(NOTHING))
        await until(lambda: noted.said[2:] == ["retention ends"])
        beside.take(settings(NOTHING + "retention: {}"))
        await until(lambda: noted.said[3:] == ["retention begins"])
    assert sorted(noted.said[4:]) == ["rest ends", "retention ends"]


@virtual_time
async def test_one_that_breaks_ends_nothing_and_is_begun_again() -> None:
    """Neither the collectors' process nor what else runs beside them; not at once, lest it breaks all the time."""
    noted, begun, loop = Noted(), list[float](), asyncio.get_running_loop()

    async def break_down(_: Settings) -> None:
        begun.append(loop.time())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(0))
            raise OSError("no space left on device")

    parts = (Part(lambda found: found.version, break_down), noted.part("rest", made_from=lambda found: found.version))
    async with running(Beside(settings(NOTHING), parts)):
        await until(lambda: len(begun) == 3)
        assert noted.said == ["rest begins"]
    assert begun[2] - begun[0] == pytest.approx(60)


async def test_each_runs_with_its_own_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``collectors.yaml`` has no section for does not run; those that look at sinks follow the entries too."""
    begun: list[str] = []

    def noting(name: str) -> Any:
        class Part:
            def __init__(self, *_: Any, **__: Any) -> None:
                begun.append(name)

            async def run(self) -> None:
                await asyncio.Event().wait()

        return Part

    for part in (
        "retention.job.Retention",
        "services.budget_truth.job.BudgetTruth",
        "services.archive.service.Archive",
    ):
        monkeypatch.setattr(f"collectors.{part}", noting(part.rpartition(".")[2]))
    reconciling = "collectors.services.reconcile.service.keep_reconciling"
    monkeypatch.setattr(reconciling, lambda *_: noting("reconcile")().run())
    beside = Beside(settings(ENTRY % "a"), parts_of(HostSettings(data_dir=tmp_path), tmp_path, CollectorMetrics()))
    async with running(beside):
        beside.take(settings(ENTRY % "a" + "retention: {}\nbudget_truth: {}"))
        await until(lambda: begun == ["Retention", "BudgetTruth"])
        begun.clear()
        beside.take(
            settings(ENTRY % "b" + f"retention: {{}}\nbudget_truth: {{}}\narchive: {{folder: {tmp_path}/kept}}")
        )
        await until(lambda: sorted(begun) == ["Archive", "Retention"])
