"""The whole service over a log of a test's own: spending goes in, totals, states and alerts come out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from collectors.operations.log import Log
from collectors.services.budget_truth.job import BudgetTruth, Opening
from collectors.services.budget_truth.ledger import Books, BudgetKey, Spent
from collectors.services.budget_truth.metrics import TruthMetrics
from collectors.services.budget_truth.settings import BudgetTruthSettings
from collectors.services.budget_truth.state import Truth, truth_of
from collectors.services.budget_truth.store import TruthStore
from collectors.settings import ControlSettings, HostSettings
from schemas.codec import EncodedEvent, encode_exchange
from schemas.ids import new_exchange_id
from sluice.eventlog.connect import topics_of
from sluice.telemetry import Registry
from tests.collectors.events import BUDGET, COMMON
from tests.collectors.operations.benches import host_of
from tests.collectors.services.budget_truth.making import END, START, charge
from tests.contracts.eventlog_laws import JournalBench

SECONDS = 20.0
QUICK: Mapping[str, Any] = {"poll": 0.05, "publish": 0.05, "check": 0.1, "lease": 1.0, "gap_grace": 0.3, "checks": 2}


def spending(
    cost_nanos: int, app: int = 7, worker: str = "w0", start: int = START, end: int = END
) -> list[EncodedEvent]:
    """One exchange that was charged."""
    common: Any = {**COMMON, "exchange_id": new_exchange_id(), "worker": worker}
    fields: Any = {**BUDGET, "cost_nanos": cost_nanos, "charges": [charge("app", str(app), start=start, end=end)]}
    return encode_exchange(common, None, None, fields)


@dataclass
class FakeLedger:
    """A ledger that says what it is told to."""

    books: dict[BudgetKey, Spent] = field(default_factory=dict)
    asked: int = 0

    async def spent(self, ended_after: int) -> Books:
        self.asked += 1
        return {key: spent for key, spent in self.books.items() if spent.period_end > ended_after}

    async def close(self) -> None:
        """Nothing."""


@dataclass
class Served:
    """A running service, and eyes on what it does."""

    host: HostSettings
    settings: BudgetTruthSettings
    metrics: TruthMetrics = field(default_factory=lambda: TruthMetrics(Registry()))
    ledger: FakeLedger = field(default_factory=FakeLedger)

    async def truth(self) -> Truth | None:
        """What the database says; ``None`` while there is none."""
        database = self.settings.database_in(self.host.data_dir)
        async with TruthStore(database, topics_of(self.host).namespace) as store:
            if not await store.is_there():
                return None
            async with store.read() as connection:
                return await truth_of(connection)

    async def spent(self) -> dict[str, int]:
        """By scope id."""
        truth = await self.truth()
        return {key.scope_id: total.spent_nanos for key, total in truth.totals.items()} if truth else {}

    async def published(self, topic: str) -> list[Any]:
        """Every record of a topic, in order."""
        async with Log(self.host) as log:
            ranges = await log.ranges([topic])
            return [
                (record.key.decode() if record.key else "", orjson.loads(record.value or b"null"))
                async for _, records in log.read(ranges, [topic])
                for record in records
            ]

    async def states(self) -> dict[str, Any]:
        """The last of each key: what compaction would leave."""
        return dict(await self.published(topics_of(self.host).budget_state.name))

    async def alerts(self) -> dict[str, Any]:
        """The last of each kind."""
        return {body["kind"]: body for _, body in await self.published(topics_of(self.host).alert.name)}


def served(bench: JournalBench, **changes: Any) -> Served:
    """Over this log; nothing runs yet."""
    settings = BudgetTruthSettings(**{**QUICK, **changes})
    return Served(host_of(bench), settings)


@asynccontextmanager
async def running(serve: Served, *, has_ledger: bool = False) -> AsyncIterator[Served]:
    """It runs until the end of the block."""
    control = ControlSettings.model_validate({"url": "http://control", "token": "t"} if has_ledger else {})
    opening = Opening(ledger=lambda _: serve.ledger)
    job = BudgetTruth(serve.settings, control, serve.host, serve.metrics, opening)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(job.run())
        try:
            yield serve
        finally:
            task.cancel()


async def until(condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """What the condition, an async function, comes to when it is true."""
    found = None
    try:
        async with asyncio.timeout(seconds):
            while not (found := await condition()):  # noqa: ASYNC110 - of a service that tells nobody
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise AssertionError(f"never: last was {found!r}") from error
    return found


async def is_spent(serve: Served, expected: Mapping[str, int]) -> bool:
    """Whether exactly this was."""
    return await serve.spent() == expected


def total(states: Mapping[str, Any], key: str) -> Sequence[tuple[str, int]]:
    """Currency and nanos of a published state."""
    return [(each["currency"], each["spent_nanos"]) for each in cast("Any", states)[key]["totals"]]
