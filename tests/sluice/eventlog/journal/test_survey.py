"""Journals alone: what a group reads, and the relay; beside ``tests/contracts/test_survey.py``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from schemas.topics import Topics
from sluice.eventlog.interface import Record
from sluice.eventlog.journal.survey import JournalSurveyor
from sluice.eventlog.settings import JournalSettings
from tests.contracts.eventlog_laws import JournalBench, exchanges, next_offsets, poll_until

TOPICS = Topics("t", 2)


def surveyor(folder: Path, group: str = "", topic: str = "") -> JournalSurveyor:
    """Where a group reads one topic alone."""
    return JournalSurveyor(folder, TOPICS, JournalSettings(), {group: (topic,)} if group else None)


def test_only_what_a_group_reads_counts(tmp_path: Path) -> None:
    """Dead letters behind it are nobody's lag, and events of other kinds only where it is not known what it reads."""

    async def run() -> None:
        bench = JournalBench(tmp_path, TOPICS)
        async with bench.stack:
            await bench.commit(exchanges(1))
            budget = TOPICS.event("budget").name
            source = await bench.started("g", [budget])
            await source.commit(next_offsets(await poll_until(source, 1)))
            await bench.commit(exchanges(4))
            await bench.publisher().publish([Record(TOPICS.alert.name, b"", b"{}")])
            known = await surveyor(tmp_path, "g", budget).lag("g")
            unknown = await surveyor(tmp_path).lag("g")
        assert sum(lag.records for lag in known) == 4
        assert {lag.topic for lag in known} == {budget}
        assert sum(lag.records for lag in unknown) == 12

    asyncio.run(run())


def test_no_journals_is_nothing(tmp_path: Path) -> None:
    """No error, nothing made."""

    async def run() -> None:
        survey = await surveyor(tmp_path / "none").topics()
        assert sum(each.records or 0 for each in survey.topics) == 0
        assert await surveyor(tmp_path / "none").lag() == []

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []
