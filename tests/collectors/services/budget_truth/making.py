"""Budget events for these tests, a truth over a database of its own, and an oracle that is plain arithmetic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import orjson

from collectors.services.budget_truth.counting import Batch, Counting, Position
from collectors.services.budget_truth.state import Truth, truth_of
from collectors.services.budget_truth.store import TruthStore
from collectors.sinks.settings import DatabaseSettings
from schemas.codec import SchemaBook, encode_exchange
from schemas.events import Charge
from schemas.ids import new_exchange_id
from sluice.eventlog.interface import Partition, PolledRecord, StoredRecord
from tests.collectors.events import BUDGET, COMMON, TOPICS, record_of

START, END = 1_761_955_200_000_000, 1_764_547_200_000_000
"""November 2025, UTC."""
HERE = Partition(TOPICS.event("budget").name, 0)


def charge(
    scope: str = "app", scope_id: str = "7", period_id: str = "2025-11-01", start: int = START, end: int = END
) -> Charge:
    """One budget that is charged."""
    return {
        "scope": scope, "scope_id": scope_id, "period_id": period_id,
        "period_start": cast("Any", start), "period_end": cast("Any", end),
    }  # fmt: skip


def event(sequence: int, cost_nanos: int = 100, *, offset: int = 0, **changes: Any) -> StoredRecord:
    """A budget event as polled; charged to app 7 unless ``charges`` say otherwise."""
    values = {"charges": [charge()], "tokens_used": 46, **changes}
    common: Any = {**COMMON, "exchange_id": new_exchange_id()}
    fields: Any = {**BUDGET, "cost_nanos": cost_nanos}
    for name, value in values.items():
        (common if name in COMMON else fields)[name] = value
    [made] = encode_exchange(common, None, None, fields)
    return record_of(made.value(sequence), made.event_id, "budget", offset=offset)


def report(last: int, *, closing: bool = False, **names: str) -> StoredRecord:
    """What a gateway says of a boot; by default of the events' own."""
    body = {
        "gateway_id": "gw-1", "worker": "0", "boot_id": "b" * 32, "closing": closing,
        "last_sequences": {"budget": last}, **names,
    }  # fmt: skip
    return StoredRecord(TOPICS.gateway_report.name, 0, 0, 0, b"gw-1", orjson.dumps(body))


@dataclass
class Bench:
    """A truth that is fed by hand."""

    store: TruthStore
    counting: Counting
    schemas: list[bytes] = field(default_factory=list)
    _next: int = 0

    async def feed(self, *records: PolledRecord) -> Any:
        """One batch."""
        return await self.counting.apply(self.batch(*records))

    def batch(self, *records: PolledRecord) -> Batch:
        """Of these, and where the partition stands behind them."""
        self._next += len(records)
        events = [each for each in records if each.topic == HERE.topic]
        reports = [each for each in records if each.topic != HERE.topic]
        return Batch(events, reports, {HERE: Position(self._next, 0)})

    async def truth(self) -> Truth:
        """All that the database says."""
        async with self.store.read() as connection:
            return await truth_of(connection)

    async def spent(self) -> dict[tuple[str, str], int]:
        """By scope and id, whatever the period."""
        found: dict[tuple[str, str], int] = defaultdict(int)
        for key, total in (await self.truth()).totals.items():
            found[key.scope, key.scope_id] += total.spent_nanos
        return dict(found)

    async def problems(self) -> Mapping[str, int]:
        """By kind."""
        return {row.kind: row.events for row in (await self.truth()).problems}


def database_of(folder: Path) -> DatabaseSettings:
    """SQLite in a folder."""
    return DatabaseSettings(url=f"sqlite:///{folder}/truth.db")


@asynccontextmanager
async def owned(settings: DatabaseSettings, owner: str = "one", lease_seconds: float = 30.0) -> AsyncIterator[Bench]:
    """A truth whose owner we are."""
    async with TruthStore(settings, TOPICS.namespace) as store:
        await store.prepare()
        assert await store.acquire(owner, lease_seconds)
        yield bench_of(store)


def bench_of(store: TruthStore) -> Bench:
    """Over a store that is owned, or was."""
    schemas: list[bytes] = []

    async def read_schemas() -> Sequence[bytes]:
        return schemas

    return Bench(store, Counting(store, SchemaBook(), read_schemas), schemas)


def expected(events: Iterable[tuple[Sequence[Charge], int]]) -> dict[tuple[str, str], int]:
    """What these charges come to."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for charges, nanos in events:
        for each in charges:
            found[each["scope"], each["scope_id"]] += nanos
    return dict(found)
