"""Totals to their topic: what has changed, whole, and again after whatever broke."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from collectors.services.budget_truth import publishing as publishing_module
from collectors.services.budget_truth import store as store_module
from collectors.services.budget_truth.publishing import StatePublishing
from collectors.services.budget_truth.store import FencedError, TruthStore
from sluice.clock import now_micros
from sluice.eventlog.interface import CommitFailedError, Record
from tests.collectors.events import TOPICS
from tests.collectors.services.budget_truth.making import bench_of, charge, database_of, event, owned


class Heard:
    """A publisher that remembers, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.records: list[Record] = []
        self.failures = failures

    async def publish(self, records: Sequence[Record]) -> None:
        self.records += records  # some may be in the log although it fails
        self.failures -= 1
        if self.failures >= 0:
            raise CommitFailedError("full")

    async def close(self) -> None:
        """Nothing."""

    def take(self) -> dict[str, Any]:
        """By key, and forget."""
        found = {record.key.decode(): json.loads(record.value or b"") for record in self.records}
        assert len(found) == len(self.records)
        self.records = []
        return found


async def test_only_what_has_changed_is_published(tmp_path: Path) -> None:
    """Absolute, by scope, id and period; every currency of a key together; nothing where nothing changed."""
    heard = Heard()
    async with owned(database_of(tmp_path)) as bench:
        publishing = StatePublishing(bench.store, heard, "topic")
        await bench.feed(event(1, 2**53, charges=[charge(), charge("app_llm", "7:3")]), event(2, 5, currency="EUR"))
        assert await publishing.publish() == 2
        states = heard.take()
        assert set(states) == {"app:7:2025-11-01", "app_llm:7:3:2025-11-01"}
        sums = [(each["currency"], each["spent_nanos"]) for each in states["app:7:2025-11-01"]["totals"]]
        assert sums == [("EUR", 5), ("USD", 2**53)]
        assert states["app:7:2025-11-01"]["covers"]["offsets"] == {"sluice.budget.v1/0": 2}
        assert await publishing.publish() == 0
        await bench.feed(event(3, 1))
        assert await publishing.publish() == 1
        [(key, state)] = heard.take().items()
        assert (key, state["totals"][1]["spent_nanos"], len(state["totals"])) == ("app:7:2025-11-01", 2**53 + 1, 2)
        assert state["revision"] > states[key]["revision"]


async def test_what_could_not_be_published_is_published_later(tmp_path: Path) -> None:
    """The same again: it is absolute, so twice is once."""
    heard = Heard(failures=1)
    async with owned(database_of(tmp_path)) as bench:
        publishing = StatePublishing(bench.store, heard, "topic")
        await bench.feed(event(1, 5))
        with pytest.raises(CommitFailedError):
            await publishing.publish()
        first = heard.take()
        assert await publishing.publish() == 1
        assert heard.take()["app:7:2025-11-01"]["totals"] == first["app:7:2025-11-01"]["totals"]


async def test_many_totals_go_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, each once."""
    monkeypatch.setattr(publishing_module, "_AT_ONCE", 7)
    heard = Heard()
    async with owned(database_of(tmp_path)) as bench:
        await bench.feed(*(event(at + 1, 1, charges=[charge("app", str(at))]) for at in range(30)))
        assert await StatePublishing(bench.store, heard, "topic").publish() == 30
        assert len(heard.take()) == 30


async def test_a_zombie_s_late_record_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was stopped between reading and publishing: when it is fenced, the new owner publishes these keys again."""
    ahead = [0]
    monkeypatch.setattr(store_module, "now_micros", lambda: now_micros() + ahead[0])
    topic: list[Record] = []
    async with owned(database_of(tmp_path)) as old, TruthStore(database_of(tmp_path), TOPICS.namespace) as store:
        await old.feed(event(1, 5))
        new = bench_of(store)

        class Slow(Heard):
            async def publish(self, records: Sequence[Record]) -> None:
                ahead[0] = 3_600_000_000
                assert await store.acquire("new", 30)
                await new.feed(event(2, 7))
                fresh = Heard()
                assert await StatePublishing(store, fresh, "topic").publish() == 1
                topic.extend([*fresh.records, *records])

        with pytest.raises(FencedError):
            await StatePublishing(old.store, Slow(), "topic").publish()
        again = Heard()
        assert await StatePublishing(store, again, "topic").publish() == 1
        topic.extend(again.records)
    states = [json.loads(record.value or b"") for record in topic]
    assert [state["totals"][0]["spent_nanos"] for state in states] == [12, 5, 12]
    assert max(states, key=lambda state: (state["epoch"], state["revision"]))["totals"][0]["spent_nanos"] == 12


async def test_what_is_still_open_is_said_again_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal forgets where Kafka compacts; periods that are over are left alone."""
    now = now_micros()
    heard = Heard()
    async with owned(database_of(tmp_path)) as bench:
        publishing = StatePublishing(bench.store, heard, "topic")
        present = charge("app", "8", start=now - 10**9, end=now + 10**12)
        await bench.feed(event(1, 5), event(2, 5, charges=[present]))
        assert await publishing.publish() == 2
        heard.take()
        monkeypatch.setattr(publishing_module, "AGAIN_MICROS", -1)
        assert await publishing.publish() == 1
        assert set(heard.take()) == {"app:8:2025-11-01"}
