"""The demo's past in the journals: there once, whole, and as a gateway that has ended leaves it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.adoption import Adopter
from gateway.recording.recovery import ChargeRule
from gateway.settings import Settings
from gateway.telemetry import GatewayMetrics
from schemas.codec import SchemaBook
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.dev.demo.history import writing
from sluice.dev.demo.history.writing import GATEWAY_ID, write_history
from sluice.dev.demo.state import prepare
from sluice.eventlog.interface import CommitFailedError
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.ranges import JournalRanges
from sluice.eventlog.places import gateway_journal
from sluice.money.prices import PriceTable
from sluice.settings import load_settings

TOPICS = Topics("sluice", 12)
DAYS = 2


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The demo's own settings file."""
    return prepare(tmp_path, real=False).config


async def read(data_dir: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every event, and every report."""
    reader, book = JournalRanges(data_dir), SchemaBook()
    topics = [*TOPICS.events(), TOPICS.gateway_report.name]
    events, reports = [], []
    async for records in reader.read(await reader.ranges(topics), topics):
        for record in records:
            assert record.value is not None
            if record.topic == TOPICS.gateway_report.name:
                reports.append(orjson.loads(record.value))
            else:
                kind, event = book.decode(record.value)
                events.append({**event, "event_kind": kind})
    await reader.close()
    return events, reports


async def test_the_report_says_what_the_log_holds(config: Path) -> None:
    """One boot, numbers without a gap from 1 on, and a closing report whose counts, bytes and nanos are theirs."""
    written = await _write(config)
    events, (report,) = await read(config.parent / "data")
    sequences = defaultdict(list)
    for event in events:
        sequences[event["event_kind"]].append(event["sequence"])
        assert event["boot_id"] == report["boot_id"]
    assert {kind: list(range(1, last + 1)) for kind, last in report["last_sequences"].items()} == sequences
    logs = [event for event in events if event["event_kind"] == "proxy_log"]
    assert len(logs) == written.exchanges > 500
    assert Counter(log["outcome"] for log in logs) == report["outcomes"]
    assert sum(log["response_body_bytes"] for log in logs) == report["response_bytes"]
    budgets = sum(event["cost_nanos"] for event in events if event["event_kind"] == "budget")
    assert (budgets, report["closing"]) == (report["cost_nanos"], True)


async def test_what_was_written_is_not_written_again(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run adds nothing; one three hours later adds those three hours, in a boot of their own."""
    now = now_micros()
    monkeypatch.setattr(writing, "now_micros", lambda: now)
    first = await _write(config)
    assert (await _write(config)).exchanges == 0
    monkeypatch.setattr(writing, "now_micros", lambda: now + 3 * 3_600_000_000)
    second = await _write(config)
    events, reports = await read(config.parent / "data")
    ids = [event["event_id"] for event in events]
    assert len(set(ids)) == len(ids)
    assert sum(event["event_kind"] == "proxy_log" for event in events) == first.exchanges + second.exchanges
    assert len({report["boot_id"] for report in reports}) == 2


async def test_a_log_that_is_gone_gets_the_same_events_again(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the same ids and numbers, so that a sink that has them shows nothing twice."""
    now = now_micros()
    monkeypatch.setattr(writing, "now_micros", lambda: now)
    await _write(config)
    before, _ = await read(config.parent / "data")
    await _write(config, anew=True)
    after, _ = await read(config.parent / "data")
    assert after == before


async def test_a_write_that_was_cut_leaves_nothing_to_read(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No collector sees a part of it, and the next run writes the whole."""

    def full(*_: object) -> None:
        raise CommitFailedError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "write_records_now", full)
        with pytest.raises(CommitFailedError, match="no space"):
            await _write(config)
    assert await read(config.parent / "data") == ([], [])
    assert (await _write(config)).exchanges > 500


async def test_a_gateway_that_finds_it_adds_nothing(config: Path) -> None:
    """It adopts the journal as one that was closed in order: nothing was interrupted, nobody reports for it."""
    await _write(config)
    before = await read(config.parent / "data")
    settings = load_settings(config, Settings, {})
    own = gateway_journal(settings.data_dir, settings.gateway.id, "w0")
    metrics = GatewayMetrics()
    adopter = Adopter(settings, TOPICS, own, metrics, ChargeRule("estimate", PriceTable()))
    assert await adopter.look() == 1
    assert await read(config.parent / "data") == before
    assert gateway_journal(settings.data_dir, GATEWAY_ID, "x").parent.is_dir()


async def _write(config: Path, *, anew: bool = False) -> writing.Written:
    """In a thread, as the command does it."""
    return await asyncio.to_thread(write_history, config, {}, anew=anew, days=DAYS)
