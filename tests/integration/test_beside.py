"""Budget truth, reconciliation and the archive as `sluice collect` runs them: killed, reloaded, and told on.

A real gateway writes to its journal or to a real Kafka; a real Elasticsearch and the events database are compared.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from collectors.operations.log import Log
from collectors.operations.running import OK
from collectors.services.budget_truth.asking import budget_truth
from collectors.services.budget_truth.settings import BudgetTruthSettings
from collectors.services.reconcile.once import Options, reconcile
from collectors.settings import HostSettings
from sluice.settings import load_settings
from tests.collectors.operations.benches import Seen
from tests.collectors.services.budget_truth.serving import Served
from tests.integration.asks import LLM, TOKEN
from tests.integration.collecting import reload
from tests.integration.stack import Stack, write_yaml
from tests.integration.waiting import until_found
from tests.servers import Elasticsearch, Kafka

SECONDS = 80.0
SECTIONS: Mapping[str, Any] = {
    "budget_truth": {"poll": 0.1, "publish": 0.1, "check": 0.2, "lease": 3.0, "gap_grace": 3.0},
    "reconcile": {"every": 0.5, "grace": 3.0, "window": 3600},
    "archive": {"folder": "kept", "every": 0.5},
}
_MISSING = "sluice_collector_reconcile_missing"
_SURPLUS = "sluice_collector_reconcile_surplus"


class Day:
    """One day of an operator: a stack with all sections switched on."""

    def __init__(self, stack: Stack, elasticsearch: str) -> None:
        self.stack = stack
        self.elasticsearch = elasticsearch
        self.configuration = stack.folder / "collectors.yaml"

    def configure(self, **sections: Any) -> None:
        """These sections instead of what there was, as careful people write them."""
        document = yaml.safe_load(self.configuration.read_text())
        document = {key: value for key, value in document.items() if key not in SECTIONS} | sections
        write_yaml(self.stack.folder / ".new.yaml", document).replace(self.configuration)

    async def spend(self, exchanges: int) -> None:
        """All answered."""
        body = {"model": "mock-small", "messages": [{"role": "user", "content": "hi"}]}
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=self.stack.url, headers=headers, timeout=30) as client:
            answers = await asyncio.gather(
                *(client.post(f"/llm/call/{LLM}/chat/completions", json=body) for _ in range(exchanges))
            )
        assert [each.text for each in answers if each.status_code != 200] == []

    async def until_stored(self, events: int) -> None:
        """Return when each sink has so many of each kind."""

        async def is_stored() -> bool:
            sinks = await self.stack.sinks()
            return {len(documents) for found in sinks.values() for documents in found.values()} == {events}

        await until_found(is_stored, SECONDS, f"{events} stored")

    async def until_counted(self, events: int) -> None:
        """Return when budget truth has so many."""
        host = load_settings(self.stack.folder / "sluice.yaml", HostSettings)
        serve = Served(host, BudgetTruthSettings())

        async def is_counted() -> bool:
            truth = await serve.truth()
            return truth is not None and truth.covers.applied == events

        await until_found(is_counted, SECONDS, f"{events} counted")

    async def until_metric(self, name: str, value: float, *labels: str) -> None:
        """Return when a metric of the collector is this."""

        async def is_it() -> bool:
            return await self.stack.collector.metric(name, *labels) == value

        await until_found(is_it, SECONDS, f"{name} {labels} is {value}")

    async def alerts(self) -> list[Any]:
        """All that were published of reconciliation."""
        host = load_settings(self.stack.folder / "sluice.yaml", HostSettings)
        topic = self.stack.topics.alert.name
        async with Log(host) as log:
            ranges = await log.ranges([topic])
            found = [record async for _, records in log.read(ranges, [topic]) for record in records]
        bodies = [json.loads(record.value or b"{}") for record in found]
        return [body for body in bodies if body["service"] == "reconcile"]

    async def until_told(self, *kinds: str) -> list[Any]:
        """Return the alerts when there are these."""

        async def are() -> list[Any]:
            found = await self.alerts()
            return found if sorted(each["kind"] for each in found) == sorted(kinds) else []

        return await until_found(are, SECONDS, f"alerts {kinds}")

    async def forge(self) -> str:
        """A document of nobody; its path."""
        stem = self.stack.stems["analytics"]
        async with httpx.AsyncClient(base_url=self.elasticsearch, timeout=10) as client:
            hits = (await client.get(f"/{stem}-*/_search?size=1")).json()["hits"]["hits"]
            path = f"/{hits[0]['_index']}/_doc/forged-a?refresh=true"
            forged = {**hits[0]["_source"], "event_id": "forged-a", "sequence": 4_711}
            assert (await client.put(path, json=forged)).status_code == 201
        return path

    async def unforge(self, path: str) -> None:
        async with httpx.AsyncClient(base_url=self.elasticsearch, timeout=10) as client:
            assert (await client.delete(path)).status_code == 200


@pytest.fixture(params=["journal", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.long])])
def log(request: pytest.FixtureRequest) -> Kafka | None:
    """Where events wait: Kafka takes its time to miss a consumer that was killed."""
    server: Kafka | None = request.getfixturevalue("kafka_server") if request.param == "kafka" else None
    return server


async def test_they_run_beside_the_collectors_are_killed_reloaded_and_tell_what_differs(
    log: Kafka | None, elasticsearch_server: Elasticsearch, tmp_path: Path, unique_name: str
) -> None:
    """With kill -9 under traffic each event is counted once and to the nano; what somebody takes out of a sink or puts
    into one is a metric and an alert that names it, and clears; a section that a reload takes away ends, with its
    figures, and comes back with another; the collectors never stop for it."""
    soon = {"session_timeout_seconds": 6, "heartbeat_interval_seconds": 1}  # who was killed is missed
    stack = Stack(tmp_path, unique_name, kafka=log, elasticsearch=elasticsearch_server, settings={"kafka": soon})
    day = Day(stack, elasticsearch_server.address)
    day.configure(**SECTIONS)
    async with stack.running():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(day.spend(60))
            await asyncio.sleep(0)
            await stack.collector.kill()
            await stack.collector.start()
        await day.spend(40)
        await day.until_counted(100)
        await day.until_stored(100)
        await everything_is_exact(day)

        path = await day.forge()
        with sqlite3.connect(stack.database, timeout=10) as rows:
            [[taken]] = rows.execute("DELETE FROM budget_usage WHERE sequence = 7 RETURNING event_id").fetchall()
        alerts = await day.until_told("reconcile_difference", "reconcile_difference")
        assert {(each["sink"], each["event_kind"], each["missing"], each["surplus"]) for each in alerts} == {
            ("rows", "budget", "1", "0"), ("search", "analytics", "0", "1"),
        }  # fmt: skip
        told = " ".join(each["events"] for each in alerts)
        assert taken in told
        assert "forged-a" in told
        await day.until_metric(_MISSING, 1, 'sink="rows"')
        await day.until_metric(_SURPLUS, 1, 'sink="search"')
        await day.unforge(path)
        await day.until_told("reconcile_difference", "reconcile_difference", "reconcile_cleared")

        day.configure(archive=SECTIONS["archive"])
        await reload(stack.collector)
        await day.until_metric("sluice_collector_budget_truth_owner", 0)
        await day.until_metric(_MISSING, 0)
        day.configure(**SECTIONS, retention={})
        await reload(stack.collector)
        await day.until_metric("sluice_collector_budget_truth_owner", 1)
        await day.until_metric(_MISSING, 1, 'sink="rows"')
        await day.spend(1)
        await day.until_counted(101)
        assert (tmp_path / "kept" / "archive.json").exists()


async def everything_is_exact(day: Day) -> None:
    """Totals are what the events' own costs come to; commands that run at once, and beside the services, agree."""
    config = day.stack.folder / "sluice.yaml"
    status, *rebuilds = (Seen(), Seen(), Seen())
    reconciling = reconcile(day.configuration, config, Options("-1h", expects_all=True), Seen().printer)
    codes = await asyncio.gather(
        budget_truth("status", config, day.configuration, status.printer),
        *(budget_truth("rebuild", config, day.configuration, each.printer) for each in rebuilds),
        reconciling,
    )
    assert codes == [OK] * 4
    spent = sum(row["cost_nanos"] for row in (await day.stack.sinks())["database"]["budget"])
    totals = {line["scope"]: line["spent_nanos"] for line in status.documents if line["kind"] == "total"}
    assert totals == dict.fromkeys(("app", "llm", "app_llm"), spent)
    assert spent > 0
    assert [each.documents[-1]["differences"] for each in rebuilds] == [0, 0]
