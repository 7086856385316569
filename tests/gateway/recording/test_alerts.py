"""Alerts of budgets: what the ledger saw is in the journal, where operators' services find it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gateway.access.ledger import APP, APP_LLM, LLM, Slice
from gateway.access.shared_table import Key
from gateway.control.database import ControlDatabase, control_url
from gateway.control.ledger import ControlLedger
from gateway.recording.alerts import BudgetAlerts
from sluice.clock import now_micros
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.reader import JournalReader
from tests.sluice.eventlog.journal.making import BOOT, TOPICS, begun

FACTS: dict[str, Any] = {
    "scope": "app", "app_id": 7, "llm_id": None, "percent": 80, "spent_nanos": 850_000_000, "limit_nanos": 10**9,
    "period_start": 1_700_000_000_000_000, "period_end": 1_702_000_000_000_000,
}  # fmt: skip


def alerts_in(directory: Path) -> list[dict[str, Any]]:
    """Those of a journal, in order."""
    reader, found = JournalReader(directory), []
    while records := reader.read(1000):
        found += [orjson.loads(each.value) for each in records if each.value and each.topic == TOPICS.alert.name]
    reader.close()
    return found


@pytest_asyncio.fixture(name="journal")
async def journal_of_a_worker(tmp_path: Path) -> AsyncIterator[Journal]:
    """One that is appended to."""
    journal = begun(tmp_path / "journal")
    yield journal
    await journal.close()


async def test_what_the_ledger_saw_is_in_the_journal(journal: Journal, tmp_path: Path) -> None:
    """Once for a threshold, when the report that told of it is committed."""
    database = ControlDatabase(control_url("", tmp_path))
    await database.migrate()
    ledger = ControlLedger(database, 0.5, BudgetAlerts(journal, BOOT, TOPICS))
    start, keys = now_micros(), ((APP, 7, 0), (LLM, 0, 3), (APP_LLM, 7, 3))
    for spent in (4, 8, 9):
        told = [a_slice((*key, start), spent) for key in keys]
        await ledger.report("host", told)
    await database.close()
    await journal.close()
    found = [(each["scope"], each["app_id"], each["llm_id"], each["percent"]) for each in alerts_in(journal.directory)]
    assert found == [
        ("app", 7, None, 80), ("llm", None, 3, 80), ("app_llm", 7, 3, 80),
        ("app", 7, None, 90), ("llm", None, 3, 90), ("app_llm", 7, 3, 90),
    ]  # fmt: skip


def a_slice(key: Key, spent: int) -> Slice:
    """Of a budget of ten nanos."""
    return Slice(key, key[3] + 10**9, 10, 10, 0, spent, 1, 1, 1)


@pytest.mark.parametrize(
    ("facts", "who"),
    [
        ({}, "app 7"),
        ({"scope": "llm", "app_id": None, "llm_id": 3}, "LLM 3"),
        ({"scope": "app_llm", "llm_id": 3}, "app 7 on LLM 3"),
    ],
)
async def test_an_alert_says_everything(journal: Journal, facts: dict[str, Any], who: str) -> None:
    """To people and to programs: whose budget, how much of it, until when; and it is in the log too."""
    with capture_logs() as logged:
        BudgetAlerts(journal, BOOT, TOPICS)("budget threshold reached", **{**FACTS, **facts})
    assert [(each["event"], each["log_level"], each["percent"]) for each in logged] == [
        ("budget threshold reached", "warning", 80)
    ]
    await journal.close()
    (alert,) = alerts_in(journal.directory)
    assert alert.pop("at").endswith("Z")
    assert alert == {
        **FACTS, **facts, "kind": "budget_threshold", "service": "gateway-1",
        "message": f"{who} has spent 0.85 of its budget of 1 (80 %); the period ends 2023-12-08T01:46:40.000000Z",
        "period_start": "2023-11-14T22:13:20.000000Z", "period_end": "2023-12-08T01:46:40.000000Z",
    }  # fmt: skip


async def test_a_journal_that_takes_nothing_keeps_nobody_waiting(journal: Journal) -> None:
    """What could not be published is said, and raised nowhere: it is in the log."""
    await journal.close()
    with capture_logs() as logged:
        BudgetAlerts(journal, BOOT, TOPICS)("budget threshold reached", **FACTS)
        await asyncio.sleep(0)
    assert [each["event"] for each in logged] == ["budget threshold reached", "alert could not be published"]
