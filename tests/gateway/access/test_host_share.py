"""A worker's share of its host: the parts know the same table and ledger."""

from __future__ import annotations

from pathlib import Path

from gateway.access.budget_rows import Budget
from gateway.access.ledger import APP
from tests.gateway.access.memory_ledger import MemoryLedger
from tests.gateway.access.sharing import a_share, answering, held_in


async def test_workers_of_a_host_share_what_one_of_them_was_granted(tmp_path: Path) -> None:
    """One table; a ledger that is asked once."""
    ledger = MemoryLedger()
    one, other = (a_share(tmp_path, ledger, worker, ask_timeout_seconds=20) for worker in ("w0", "w1"))
    budget = Budget((APP, 1, 0, 0), 1 << 60, 1000)
    slices = one.keeper.slices
    async with answering(one):
        found = slices.rows.hold([budget], 10)
        assert isinstance(found, list)
        assert await slices.ask(found)
    assert isinstance(other.keeper.slices.rows.hold([budget], 100), tuple)
    assert held_in(one.table) == held_in(other.table) == [(100, 1)]
    assert len(ledger.told) == 1
    for share in (one, other):
        await share.keeper.close()
        share.table.close()
