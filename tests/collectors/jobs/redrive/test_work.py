"""The services of a redrive: beside each other, each to its end, and stopped as an operator stops them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from collectors import service as service_module
from collectors.entries import AnyEntry
from collectors.sinks.registry import SinkOpening, open_sink
from tests.collectors.fakes import until
from tests.collectors.jobs.redrive.benches import Bench, ids_of, letters_of, made

SECONDS = 20.0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A host."""
    return Bench(tmp_path)


async def test_one_that_hangs_holds_up_no_other_and_a_stop_ends_it(bench: Bench) -> None:
    """What was delivered is settled, what was not is open, and the job goes on when it is resumed."""
    records = made(3)
    stuck = bench.scripted("stuck", "raises", replace_database=True)
    bench.write(bench.database(), stuck)
    await bench.publish(letters_of(records))
    await bench.publish(letters_of(records, collector="stuck", service="stuck"), "stuck")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bench.redrive(job="mine"))
        await until(lambda: len(bench.stored()) == 3 and bench.scripts["stuck"].calls.total() > 3, SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
    code, report, _ = running.result()
    assert (code, report["state"], report["written"]) == (1, "stopped", 3)
    assert report["problems"] == ["stopped, 3 to go: go on with sluice redrive --resume mine"]
    _, left = await bench.letters()
    assert {each["dead_letter"]["collector"] for each in left} == {"stuck"}
    bench.write(bench.database(), bench.scripted("stuck", "handled", replace_database=True))
    code, report, _ = await bench.redrive(resume="mine")
    assert (code, report["state"], report["written"]) == (0, "complete", 3)
    assert bench.stored() == ids_of(records)


async def test_a_job_that_was_not_finished_is_named_by_the_next(bench: Bench) -> None:
    """Only that one knows what it wrote to files last."""
    bench.write(bench.scripted("store", "raises", replace_database=True))
    await bench.publish(letters_of(made(1)))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bench.redrive(job="first"))
        await until(lambda: bench.scripts["store"].calls.total() > 1, SECONDS)
        os.kill(os.getpid(), signal.SIGINT)
    assert running.result()[0] == 1
    bench.write(bench.scripted("store", "handled", replace_database=True))
    _, _, seen = await bench.redrive()
    assert "job first was not finished" in seen.err.getvalue()
    _, _, seen = await bench.redrive()
    assert "was not finished" not in seen.err.getvalue()


async def test_a_service_that_keeps_breaking_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its letters stay open, and the others are delivered."""
    records = made(2)
    monkeypatch.setattr(service_module, "_MAX_BREAKS", 2)
    bench.write(bench.database(), bench.database("broken", "broken.db"))
    await bench.publish(letters_of(records))
    await bench.publish(letters_of(records, collector="broken", service="broken"), "broken")

    def open_some(entry: AnyEntry, opening: SinkOpening) -> object:
        sink = open_sink(entry, opening)
        return Broken(sink) if entry.name == "broken" else sink

    monkeypatch.setattr(service_module, "open_sink", open_some)
    code, report, _ = await bench.redrive()
    assert (code, report["written"]) == (1, 2)
    assert any("service broken broke 2 times" in each for each in report["problems"])
    assert len((await bench.letters())[1]) == 2


class Broken:
    """A sink whose verdict is none: what a defect of ours looks like."""

    def __init__(self, sink: object) -> None:
        self._sink = sink

    def __getattr__(self, name: str) -> object:
        return getattr(self._sink, name)

    async def write(self, _documents: object) -> None:
        """No verdict."""
