"""Budgets over processes: a host's workers together spend no more than there is, and a kill -9 loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.access.host_share import share_of
from gateway.access.input_tokens import count_input
from gateway.access.shared_table import OPEN, RESERVED, SPENT, SharedTable, table_folder
from gateway.access.worst_case import worst_case
from gateway.control.database import ControlDatabase, control_url
from gateway.control.ledger import ControlLedger
from gateway.outcomes import BudgetExceeded
from gateway.recording.recovery import ChargeRule, recover
from gateway.settings import Settings
from gateway.telemetry import GatewayMetrics
from sluice.clock import now_micros
from sluice.eventlog.journal.reader import JournalReader
from sluice.eventlog.places import gateway_journal
from sluice.money.cost import cost_nanos
from sluice.money.nanos import format_nanos
from sluice.money.usage import Usage
from tests.gateway.access.spending import BODY, start
from tests.gateway.test_exchange import a_snapshot, an_exchange
from tests.sluice.eventlog.journal.making import BOOK, TOPICS, opened

SNAPSHOT, LLM = a_snapshot()
PRICE = SNAPSHOT.prices.find("openai", "gpt-4o-mini", 1 << 60)
assert PRICE
HELD = cost_nanos(PRICE, Usage(count_input(BODY, LLM, "gpt-4o-mini").tokens, 50))


@pytest.fixture(name="data_dir")
def with_control_database(tmp_path: Path) -> Path:
    """Where the ledger is."""

    async def migrate() -> None:
        database = ControlDatabase(control_url("", tmp_path))
        await database.migrate()
        await database.close()

    asyncio.run(migrate())
    return tmp_path


@pytest.mark.parametrize("processes", [1, 4])
def test_what_fits_37_admits_37(data_dir: Path, processes: int) -> None:
    """Of 200 at once, spread over the workers of a host."""
    started = [start(data_dir, f"w{at}", format_nanos(37 * HELD), 200 // processes) for at in range(processes)]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    admitted = [int(process.communicate(timeout=60)[0]) for process in started]
    assert sum(admitted) == 37


def charged_in(directory: Path) -> tuple[int, int]:
    """What the budget events of a journal charge, and how many of them are of interrupted exchanges."""
    reader = JournalReader(directory)
    charged = interrupted = 0
    while records := reader.read(1000):
        for record in records:
            if record.event_id and record.event_id.endswith(b"-b") and record.value is not None:
                _, event = BOOK.decode(record.value)
                charged += event["cost_nanos"]
                interrupted += event["outcome"] == "interrupted"
    reader.close()
    return charged, interrupted


@pytest.mark.parametrize("milliseconds", [0, 3, 7])
def test_a_kill_under_load_charges_each_exchange_once(data_dir: Path, milliseconds: int) -> None:
    """What the journal's budget events say is what the table has, to the nano; nothing stays held."""
    process = start(data_dir, "w0", "1000000", 0)
    assert process.stdout
    assert process.stdin
    process.stdout.readline()
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline() == "spending\n"
    time.sleep(milliseconds / 1000)  # the moment of the kill, not something waited for
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    directory = gateway_journal(data_dir, "gateway-1", "w0")
    table = SharedTable(table_folder(directory), "w0", max_rows=1024)
    rows = list(table.used_rows())
    before = sum(table.total(row, OPEN) for row in rows)
    journal = opened(directory)
    cut = recover(journal, directory, ChargeRule("reserved", SNAPSHOT.prices), TOPICS, table)
    charged, interrupted = charged_in(directory)
    assert 0 < cut == interrupted <= before <= 20
    assert [table.total(row, SPENT) for row in rows] == [charged]
    assert [(table.total(row, RESERVED), table.total(row, OPEN)) for row in rows] == [(0, 0)]
    table.close()
    asyncio.run(journal.close())


async def test_two_hosts_spend_a_budget_together(tmp_path: Path) -> None:
    """What one was granted and does not use it gives back when the other asks; together they get all, and no more."""
    databases = [ControlDatabase(control_url("", tmp_path)) for _ in range(2)]
    await databases[0].migrate()
    shares = []
    settings = Settings.model_validate({"budget": {"ask_timeout_seconds": 30, "report_seconds": 0.02}})
    hasty = settings.budget.model_copy(update={"ask_timeout_seconds": 0.5})
    for name, database in zip("ab", databases, strict=True):
        table = SharedTable(tmp_path / name, "w0", max_rows=64)
        ledger = ControlLedger(database, 1.0, lambda *_, **__: None)
        shares.append(share_of(settings, table, ledger, GatewayMetrics()))
    app = replace(SNAPSHOT.apps[1], monthly_budget_nanos=10 * HELD)
    admitted = 0
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(share.keeper.run()) for share in shares]
        while not all(share.keeper.has_company for share in shares):  # noqa: ASYNC110 - other tasks' work
            await asyncio.sleep(0.01)
        for number in range(12):
            if number == 10:  # all is spent: however long it is asked for, there is no more
                for share in shares:
                    share.budgets._settings = hasty
            exchange = an_exchange(model="gpt-4o-mini", body=BODY, choices=1, max_response_tokens=50, price=PRICE,
                                   app=app, llm=LLM, occurred_at=now_micros())  # fmt: skip
            with contextlib.suppress(BudgetExceeded):
                await shares[number % 2].budgets.admit(exchange, LLM, app, worst_case(exchange, LLM, 100))
                admitted += 1
        for task in running:
            task.cancel()
    assert admitted == 10
    held = [sum(share.table.total(row, RESERVED) for row in share.table.used_rows()) for share in shares]
    assert held == [5 * HELD, 5 * HELD], "one was refused what the other did not use"
    for share, database in zip(shares, databases, strict=True):
        await share.keeper.close()
        share.table.close()
        await database.close()
