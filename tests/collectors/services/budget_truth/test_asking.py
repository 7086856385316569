"""``sluice budget-truth`` over a journal: what it says, what it refuses, and how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from collectors.errors import Retryable
from collectors.operations.running import UsageError
from collectors.services.budget_truth import asking as asking_module
from collectors.services.budget_truth.asking import budget_truth
from collectors.services.budget_truth.ledger import BudgetKey, Spent
from schemas.topics import Topics
from sluice.clock import now_micros
from tests.collectors.operations.benches import Seen
from tests.collectors.services.budget_truth.serving import (
    QUICK,
    FakeLedger,
    Served,
    is_spent,
    running,
    served,
    spending,
    until,
)
from tests.contracts.eventlog_laws import JournalBench

NOW = now_micros()
START, END = NOW - 10**9, NOW + 10**12


@pytest.fixture
def bench(tmp_path: Path) -> JournalBench:
    """An embedded log in the folder, and the files that name it."""
    (tmp_path / "sluice.yaml").write_text(yaml.safe_dump({"data_dir": str(tmp_path), "kafka": {"namespace": "one"}}))
    write(tmp_path, budget_truth=dict(QUICK))
    return JournalBench(tmp_path, Topics("one"))


def write(folder: Path, **document: Any) -> None:
    """The collectors' file."""
    (folder / "collectors.yaml").write_text(yaml.safe_dump(document))


async def asked(folder: Path, action: str) -> tuple[int, list[dict[str, Any]]]:
    """Its exit code, and what it printed."""
    seen = Seen()
    code = await budget_truth(action, folder / "sluice.yaml", folder / "collectors.yaml", seen.printer)
    return code, seen.documents


async def test_what_is_not_there_is_refused_with_what_can_be(bench: JournalBench, tmp_path: Path) -> None:
    """An unknown action, no section, nothing counted yet, no ledger to ask: each says what to do."""
    async with bench.stack:
        with pytest.raises(UsageError, match="'delete' is none of status, check, rebuild, rewind"):
            await asked(tmp_path, "delete")
        with pytest.raises(UsageError, match="has nothing yet: run `sluice collect`"):
            await asked(tmp_path, "status")
        assert not (tmp_path / "budget_truth.db").exists()
        serve = served(bench)
        await bench.commit([spending(5)])
        async with running(serve):
            await until(lambda: is_spent(serve, {"7": 5}))
        with pytest.raises(UsageError, match=r"control\.url is not set"):
            await asked(tmp_path, "check")
        write(tmp_path)
        with pytest.raises(UsageError, match="budget_truth: is not set"):
            await asked(tmp_path, "status")


async def test_the_status_is_wrong_where_nobody_counts(bench: JournalBench, tmp_path: Path) -> None:
    """Totals, what they cover and who counts; 0 while somebody does, 1 afterwards. A lease that no slow moment ends."""
    async with bench.stack:
        serve = served(bench, lease=60.0)
        await bench.commit([spending(5), spending(2**53)])
        async with running(serve):
            await until(lambda: is_spent(serve, {"7": 5 + 2**53}))
            code, (total, covers) = await asked(tmp_path, "status")
            assert (code, total["scope_id"], total["spent_nanos"]) == (0, "7", 5 + 2**53)
            assert (covers["applied"], covers["gaps"], covers["is_owned"]) == (2, 0, True)
        code, documents = await asked(tmp_path, "status")
        assert (code, documents[-1]["is_owned"]) == (1, False)


async def test_a_rewind_changes_nothing_but_where_it_reads(bench: JournalBench, tmp_path: Path) -> None:
    """The running owner begins again at the log's beginning; totals stay."""
    async with bench.stack:
        serve = served(bench)
        await bench.commit([spending(5), spending(7)])
        async with running(serve):
            await until(lambda: is_spent(serve, {"7": 12}))
            assert await asked(tmp_path, "rewind") == (0, [])
            await until(lambda: has_read_again(serve))
            assert await serve.spent() == {"7": 12}
        truth = await serve.truth()
        assert truth is not None
        assert (truth.covers.applied, truth.covers.gaps) == (2, 0)


async def has_read_again(serve: Served) -> bool:
    """Whether duplicates were seen, by an owner of a later epoch."""
    return dict(serve.metrics.events.series()).get(("duplicate",), 0) >= 2


async def test_a_check_asks_the_ledger_now(
    bench: JournalBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 where it differs for so many questions; without a service that reads the log nothing is compared."""
    ledger = FakeLedger({BudgetKey("app", "7", START): Spent(5, END)})
    monkeypatch.setattr(asking_module, "ControlLedger", lambda _: ledger)
    write(tmp_path, budget_truth=dict(QUICK), control={"url": "http://control", "token": "t"})
    async with bench.stack:
        serve = served(bench)
        await bench.commit([spending(5, start=START, end=END)])
        async with running(serve):
            await until(lambda: is_spent(serve, {"7": 5}))
            assert (await asked(tmp_path, "check"))[0] == 0
            ledger.books = {key: Spent(9, spent.period_end) for key, spent in ledger.books.items()}
            code, [found] = await asked(tmp_path, "check")
            assert (code, found["ledger_nanos"], found["truth_nanos"], found["difference_nanos"]) == (1, 9, 5, 4)
        monkeypatch.setattr(asking_module, "_PATIENCE_SECONDS", 0.5)  # nobody reads: any would be over
        with pytest.raises(Retryable, match="does `sluice collect` run"):
            await asked(tmp_path, "check")
