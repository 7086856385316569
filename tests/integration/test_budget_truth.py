"""Budget truth in real processes: killed at each step, and beside a real gateway whose ledger somebody changes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from collectors.services.budget_truth.asking import budget_truth
from collectors.services.budget_truth.job import BudgetTruth
from collectors.services.budget_truth.settings import BudgetTruthSettings
from collectors.settings import HostSettings, Settings
from sluice.dev.vendor import MockVendor
from sluice.settings import load_settings
from tests.collectors.operations.benches import Seen
from tests.collectors.services.budget_truth.serving import QUICK, Served, served, spending, until
from tests.contracts.eventlog_laws import JournalBench, _on_bench, on_durable_logs
from tests.integration.managing import bare, made, manager_of
from tests.integration.stack import write_yaml

SECONDS = 40.0
STEPS = ("before_batch", "in_transaction", "after_transaction", "before_publish", "after_publish", "after_round")
CHILD = """
import asyncio, json, os, signal, sys
from collectors.services.budget_truth import counting, job, publishing
from collectors.services.budget_truth.job import BudgetTruth
from collectors.services.budget_truth.settings import BudgetTruthSettings
from collectors.settings import ControlSettings, HostSettings

step, host, settings = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
times = {"in_transaction": 2, "after_transaction": 2}.get(step, 1)


def die():
    global times
    times -= 1
    if not times:
        os.kill(os.getpid(), signal.SIGKILL)


def around(owner, name, before=False):
    inner = getattr(owner, name)

    async def wrapped(*arguments, **named):
        if before:
            die()
        found = await inner(*arguments, **named)
        if not before:
            die()
        return found

    setattr(owner, name, wrapped)


{
    "before_batch": lambda: around(counting.Counting, "apply", before=True),
    "in_transaction": lambda: around(counting.Counting, "_move"),
    "after_transaction": lambda: around(counting.Counting, "apply"),
    "before_publish": lambda: around(publishing.StatePublishing, "_note", before=True),
    "after_publish": lambda: around(publishing.StatePublishing, "_note"),
    "after_round": lambda: around(job._Owning, "_finish_round"),
    "never": lambda: None,
}[step]()
truth = BudgetTruth(BudgetTruthSettings(**settings), ControlSettings(), HostSettings.model_validate(host))
asyncio.run(truth.run())
"""


async def child(step: str, host: HostSettings, settings: BudgetTruthSettings) -> asyncio.subprocess.Process:
    """The service in a process of its own, which kills itself at a step."""
    kafka = {name: host.kafka.model_dump()[name] for name in ("bootstrap_servers", "namespace", "partitions")}
    about = json.dumps({"data_dir": str(host.data_dir), "kafka": kafka})
    command = [sys.executable, "-c", CHILD, step, about, settings.model_dump_json(exclude={"database"})]
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)


def test_wherever_it_dies_every_event_counts_once(tmp_path: Path, unique_name: str) -> None:
    """kill -9 in a transaction, between it and its publication, and at a round's end, on a journal."""

    async def law(bench: JournalBench) -> None:
        await every_event_counts_once(bench, ("in_transaction", "before_publish", "after_round"))

    asyncio.run(_on_bench(law, "journal", tmp_path, None, unique_name))


@pytest.mark.long
@on_durable_logs()
async def test_whatever_step_it_dies_at_every_event_counts_once(bench: JournalBench) -> None:
    """kill -9 before, in and behind a transaction, around publishing and at a round's end."""
    await every_event_counts_once(bench, STEPS)


async def every_event_counts_once(bench: JournalBench, steps: Sequence[str]) -> None:
    """With more spent each time: in the end totals and published states are the sum of all, to the nano."""
    serve = served(bench, batch_records=4, lease=1.0)
    spent = 0
    for number, step in enumerate(steps):
        for at in range(10):
            nanos = 10**12 + 1_000 * number + at
            await bench.commit([spending(nanos)])
            spent += nanos
        process = await child(step, serve.host, serve.settings)
        async with asyncio.timeout(SECONDS):
            _, errors = await process.communicate()
        assert process.returncode == -signal.SIGKILL, (step, errors.decode())
    process = await child("never", serve.host, serve.settings)
    try:

        async def is_whole() -> bool:
            states = await serve.states()
            state = states.get("app:7:2025-11-01")
            return (
                await serve.spent() == {"7": spent} and state is not None and state["totals"][0]["spent_nanos"] == spent
            )

        await until(is_whole, SECONDS)
        truth = await serve.truth()
    finally:
        process.kill()
        await process.communicate()
    assert truth is not None
    assert (truth.covers.applied, truth.covers.gaps, truth.problems) == (10 * len(steps), 0, [])


WRONGLY = 123_456_789


async def test_a_ledger_that_was_changed_is_told(tmp_path: Path, mock_vendor: MockVendor, unique_name: str) -> None:
    """A real gateway, its control API and its journal: what was spent agrees with the ledger, scope by scope, to the
    nano; then its row is charged by hand, and the alert names app, period and both sums; so does the command."""
    stack = bare(tmp_path, unique_name, workers=1, settings={"budget": {"report_seconds": 0.5}})
    async with stack.running(collector=False), manager_of(stack) as manager:
        app = await spender(manager, mock_vendor)
        await spend(stack.url, app["token"])
        token = manager.headers["authorization"].removeprefix("Bearer ")
        file = write_yaml(
            tmp_path / "truth.yaml",
            {"control": {"url": stack.url, "token": token}, "budget_truth": {**QUICK, "checks": 2, "lease": 5.0}},
        )
        host, settings = load_settings(tmp_path / "sluice.yaml", HostSettings), load_settings(file, Settings)
        async with serving(settings, host) as serve:
            agreed = await until(lambda: is_agreed(serve), SECONDS)
            assert {row.scope for row in agreed} == {"app", "llm", "app_llm"}
            assert {int(row.ledger_nanos) for row in agreed} == {int(row.truth_nanos) for row in agreed} != {0}
            assert "budget_truth_difference" not in await serve.alerts()
            code, lines = await command(tmp_path, "check", file)
            assert (code, [line["difference_nanos"] for line in lines]) == (0, [0, 0, 0])
            charge_by_hand(tmp_path / "data", app["id"])
            alert = await until(lambda: difference(serve), SECONDS)
            truth = int(agreed[0].truth_nanos)
            assert alert["budget"].startswith(f"app {app['id']}, period from 20")
            assert (int(alert["ledger_nanos"]), int(alert["truth_nanos"])) == (truth + WRONGLY, truth)
            code, lines = await command(tmp_path, "status", file)
            assert code == 1
            told = {line["scope"]: line["difference_nanos"] for line in lines if line["kind"] == "ledger"}
            assert told == {"app": WRONGLY, "llm": 0, "app_llm": 0}
            code, lines = await command(tmp_path, "rebuild", file)
            assert (code, lines[-1]["differences"], lines[-1]["totals"]) == (0, 0, 3)


@asynccontextmanager
async def serving(settings: Settings, host: HostSettings) -> AsyncIterator[Served]:
    """The service, as ``sluice collect`` runs it."""
    assert settings.budget_truth is not None
    async with asyncio.TaskGroup() as tasks:
        job = tasks.create_task(BudgetTruth(settings.budget_truth, settings.control, host).run())
        try:
            yield Served(host, settings.budget_truth)
        finally:
            job.cancel()


async def spender(manager: httpx.AsyncClient, vendor: MockVendor) -> Any:
    """An app with a budget of its own, one on its LLM, and its token; the LLM has one too."""
    llm = await made(manager, "/llms", name="Mock GPT", vendor="openai", endpoint=vendor.url, monthly_budget="50")
    await made(manager, "/pricing", vendor="openai", model_name="gpt-4o*", cpt=6e-7, cpit=1.5e-7)
    app = await made(manager, "/apps", name="spender", owner_email="s@example.com", llm_ids=[llm["id"]])
    links = {"llms": [{"llm_id": llm["id"], "monthly_budget": "20"}]}
    for path, body in ((f"/budgets/{app['id']}", {"monthly_budget": "10"}), (f"/apps/{app['id']}/llms", links)):
        answer = await manager.put(path, json=body)
        assert answer.status_code == 200, answer.text
    token = await made(manager, "/tokens", app_id=app["id"], name="t", scopes=["api"])
    return {"id": app["id"], "token": token["token"]}


async def spend(url: str, token: str) -> None:
    """Some exchanges at once."""
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {token}"}, timeout=30) as client:
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
        answers = await asyncio.gather(
            *(client.post("/llm/call/mock-gpt/chat/completions", json=body) for _ in range(9))
        )
    assert [answer.text for answer in answers if answer.status_code != 200] == []


def charge_by_hand(data_dir: Path, app_id: int) -> None:
    """What nobody should do to the control database."""
    [path] = data_dir.glob("control*.db")
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as database:
        changed = database.execute(
            "UPDATE budget_slices SET spent_nanos = spent_nanos + ? WHERE scope = 'app' AND app_id = ?",
            (WRONGLY, app_id),
        )
        assert changed.rowcount == 1
        database.commit()


async def is_agreed(serve: Served) -> Any:
    """Rows of all three scopes that were compared often enough and agree."""
    truth = await serve.truth()
    rows = truth.differences if truth else []
    is_even = all(row.checks > 3 and row.ledger_nanos == row.truth_nanos != "0" for row in rows)
    return rows if len(rows) == 3 and is_even else None


async def difference(serve: Served) -> Any:
    """The alert."""
    return (await serve.alerts()).get("budget_truth_difference")


async def command(folder: Path, action: str, file: Path) -> tuple[int, list[Any]]:
    """``sluice budget-truth`` in this process, as to start one takes longer than its work: its exit code, and what it
    printed."""
    seen = Seen()
    async with asyncio.timeout(SECONDS):
        code = await budget_truth(action, folder / "sluice.yaml", file, seen.printer)
    return code, seen.documents
