"""A worker's share of a host for tests: a small table in a folder, a ledger in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.access.host_share import HostShare, share_of
from gateway.access.shared_table import OPEN, RESERVED, SPENT, SharedTable
from gateway.settings import Settings
from gateway.telemetry import GatewayMetrics
from tests.gateway.access.memory_ledger import MemoryLedger


def a_share(folder: Path, ledger: MemoryLedger | None = None, worker: str = "w0", **budget: Any) -> HostShare:
    """The parts that admission and the recorder need; its keeper is not running."""
    settings = Settings.model_validate({"budget": budget})
    table = SharedTable(folder / "access", worker, max_rows=256)
    return share_of(settings, table, ledger or MemoryLedger(), GatewayMetrics())


@asynccontextmanager
async def answering(share: HostShare) -> AsyncIterator[None]:
    """While the ledger is asked for whoever waits."""
    raised: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(share.keeper.slices.answer_asks())
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again, without the task group's group around it
            raised = error
        task.cancel()
    if raised is not None:
        raise raised


def held_in(table: SharedTable) -> list[tuple[int, int]]:
    """What is reserved and open of each budget's row."""
    return [(table.total(row, RESERVED), table.total(row, OPEN)) for row in table.used_rows() if table.key(row)[0] < 8]


def spent_in(table: SharedTable, kind: int) -> int:
    """What was spent of the budgets of a kind."""
    return sum(table.total(row, SPENT) for row in table.used_rows() if table.key(row)[0] == kind)
