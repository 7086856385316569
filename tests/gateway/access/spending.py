"""A worker as a process of its own that spends an app's budget: ``python -m tests.gateway.access.spending <settings>``.

It does what a worker does, with the parts of a worker, but for HTTP: admit, fill a slot, record, settle.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from gateway.access.admission import LimitedAdmission
from gateway.access.host_share import share_of
from gateway.access.shared_table import SharedTable, table_folder
from gateway.control.database import ControlDatabase, control_url
from gateway.control.ledger import ControlLedger
from gateway.outcomes import Refusal
from gateway.recording.backlog import Backlog
from gateway.recording.events import EventBuilder
from gateway.recording.inflight import FILE_NAME, InFlightFile
from gateway.recording.recorder import Recorder
from gateway.recording.recovery import ChargeRule
from gateway.telemetry import GatewayMetrics
from gateway.usage import price_exchange
from schemas.ids import new_exchange_id
from sluice.clock import now_micros
from sluice.eventlog.interface import Boot
from sluice.eventlog.modes import open_log
from sluice.eventlog.places import gateway_journal
from sluice.money.usage import Usage
from tests.gateway.flow import settings_of
from tests.gateway.test_exchange import a_snapshot, an_attempt, an_exchange
from tests.sluice.eventlog.journal.making import begun

ROOT = Path(__file__).parents[3]
BODY = b'{"model":"gpt-4o-mini","messages":[]}'


class Spender:
    """The worker."""

    def __init__(self, data_dir: Path, worker: str, monthly_budget: str) -> None:
        apps = [{"id": 1, "name": "tests", "llms": ["demo"], "monthly_budget": monthly_budget},
                {"id": 2, "name": "stranger"}]  # fmt: skip
        sections: dict[str, Any] = {"apps": apps, "budget": {"ask_timeout_seconds": 20, "report_seconds": 0.05}}
        self.spent = 0
        self.snapshot, self.llm = a_snapshot(**sections)
        settings = settings_of("http://127.0.0.1:9/v1", **sections)
        directory = gateway_journal(data_dir, "gateway-1", worker)
        boot, metrics = Boot("gateway-1", worker, f"boot-{os.getpid()}"), GatewayMetrics()
        self.journal = begun(directory, boot)
        self.table = SharedTable(table_folder(directory), worker, max_rows=1024)
        ledger = ControlLedger(ControlDatabase(control_url("", data_dir)), 0.125, lambda *_, **__: None)
        self.share = share_of(settings, self.table, ledger, metrics)
        self.admission = LimitedAdmission(self.share.limits, self.share.budgets, 100)
        inflight = InFlightFile(directory / FILE_NAME, 512)
        log = open_log(settings, self.journal, None)
        rule = ChargeRule("reserved", self.snapshot.prices)
        self.recorder = Recorder(
            log=log,
            builder=EventBuilder(boot, 1000, 1 << 20),
            inflight=inflight,
            backlog=Backlog(log, inflight, boot, rule, self.journal.event_ids_since, self.share.budgets),
            budgets=self.share.budgets,
            mark=self.journal.mark,
            metrics=metrics,
            unauthenticated_per_second=1,
        )

    async def admit(self) -> Any:
        """An exchange whose vendor is about to be called; ``None`` where the budget refuses it."""
        exchange = an_exchange(
            exchange_id=new_exchange_id(), occurred_at=now_micros(), app=self.snapshot.apps[1], llm=self.llm,
            model="gpt-4o-mini", body=BODY, choices=1, max_response_tokens=50, outcome="ok",
        )  # fmt: skip
        try:
            await self.admission.admit(exchange, self.llm, self.snapshot)
        except Refusal as refusal:
            if refusal.code != "budget_exceeded":
                raise
            return None
        assert self.recorder.reserve(exchange)
        assert self.recorder.begin_upstream(exchange, self.llm)
        return exchange

    async def spend(self) -> None:
        """One exchange after the other, for ever; one in three costs more than was held."""
        while True:
            exchange = await self.admit()
            assert exchange is not None
            await asyncio.sleep(random.random() / 500)
            exchange.attempts.append(an_attempt())
            exchange.usage = Usage(random.randint(1, 400), random.randint(0, 50))
            price_exchange(exchange)
            self.admission.settle(exchange)
            await self.recorder.record(exchange)
            self.recorder.close(exchange)
            self.spent += 1
            if self.spent == 60:
                print("spending", flush=True)


async def main(data_dir: Path, worker: str, monthly_budget: str, count: int) -> None:
    """Try ``count`` at once and say how many were admitted; or, where that is 0, spend until killed."""
    spender = Spender(data_dir, worker, monthly_budget)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(spender.share.keeper.run())
        await asyncio.sleep(0)
        print("ready", flush=True)
        sys.stdin.readline()
        if count:
            admitted = await asyncio.gather(*(spender.admit() for _ in range(count)))
            print(json.dumps(sum(each is not None for each in admitted)), flush=True)
            os._exit(0)
        for _ in range(20):
            tasks.create_task(spender.spend())


def start(data_dir: Path, worker: str, monthly_budget: str, count: int) -> subprocess.Popen[str]:
    """The process; it waits for a line."""
    command = [sys.executable, "-m", "tests.gateway.access.spending", str(data_dir), worker, monthly_budget, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
