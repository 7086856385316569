"""``sluice reconcile`` on a real Kafka, a real Elasticsearch and the events database: whatever somebody took away by
hand, put in or never published is named, and after a replay all of it is equal."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from collectors.jobs.options import JobOptions, RangeOptions
from collectors.jobs.replay.plan import ReplayOptions
from collectors.jobs.replay.run import replay
from collectors.operations.running import OK, WRONG
from collectors.services.reconcile import reconciling
from collectors.services.reconcile.once import Options, reconcile
from schemas.events import KINDS
from tests.collectors.operations.benches import Seen
from tests.collectors.services.reconcile.desk import BOOT, Desk, report_of
from tests.contracts.eventlog_laws import JournalBench, _on_bench
from tests.servers import Elasticsearch, Kafka


class Commands:
    """The commands, on the files that operators have."""

    def __init__(self, bench: JournalBench, elasticsearch: str) -> None:
        folder, name = Path(bench._folder), bench.topics.namespace
        self.database, self.elasticsearch, self.stem = folder / "events.db", elasticsearch, f"{name}-a"
        indices = {"proxy_logs": f"{name}-p", "analytics": self.stem, "budget": f"{name}-b"}
        search = {"elasticsearch_url": elasticsearch, "indices": indices}
        entries: list[dict[str, Any]] = [
            {"name": "search", "path": "sink://elasticsearch", "config": search},
            {"name": "rows", "path": "sink://database", "config": {"url": f"sqlite:///{self.database}"}},
            {"name": "lake", "path": "sink://file", "config": {"output_directory": str(folder / "lake")}},
        ]
        self.desk = Desk(bench, *entries)
        self.collectors, self.config = folder / "collectors.yaml", folder / "sluice.yaml"
        self.collectors.write_text(yaml.safe_dump({"data_collection_plugins": entries}))
        kafka = self.desk.host.kafka.model_dump(mode="json")
        self.config.write_text(yaml.safe_dump({"data_dir": str(folder), "kafka": _told(kafka)}))

    async def reconcile(self, *, code: int) -> list[dict[str, Any]]:
        """What it prints for scripts; the code must be this."""
        seen = Seen()
        assert await reconcile(self.collectors, self.config, Options("-1h"), seen.printer) == code, seen.lines
        return seen.documents

    async def replay(self, sink: str) -> None:
        """Everything once more."""
        options = ReplayOptions(RangeOptions(since="-1h"), JobOptions(job=f"again-{sink}"), sink)
        assert await replay(self.config, self.collectors, options, Seen().printer) == OK

    async def by_hand(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Somebody at the console of Elasticsearch."""
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.request(method, f"{self.elasticsearch}/{path}", json=body)
        assert answer.status_code in {200, 201}, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def change(self, statement: str, *values: Any) -> None:
        """Somebody with the database open."""
        with sqlite3.connect(self.database) as connection:
            assert connection.execute(statement, values).rowcount == 1


def _told(kafka: dict[str, Any]) -> dict[str, Any]:
    return {key: kafka[key] for key in ("bootstrap_servers", "namespace", "partitions", "single_broker")}


async def deletions_are_named(bench: JournalBench, elasticsearch: str) -> None:
    """The whole story."""
    commands = Commands(bench, elasticsearch)
    desk = commands.desk
    ids = await desk.publish(30)
    await desk.report(report_of(bench, last_sequences=dict.fromkeys(KINDS, 30)))
    for sink in ("search", "rows"):
        await desk.store(sink)
        await desk.acknowledge(sink, 90)
    found = await commands.reconcile(code=OK)
    assert [each["equal"] for each in found if "equal" in each] == [True] * 9
    assert [each["sink"] for each in found if "cannot_be_compared" in each] == ["lake"]

    # taken away, put in, and reported though it never was
    a_document, a_row = (
        [each for each in ids if each.endswith("-a")][7],
        [each for each in ids if each.endswith("-b")][3],
    )
    hits = await commands.by_hand("POST", f"{commands.stem}/_search", {"query": {"ids": {"values": [a_document]}}})
    [hit] = hits["hits"]["hits"]
    await commands.by_hand("DELETE", f"{hit['_index']}/_doc/{a_document}?refresh=true")
    forged = {**hit["_source"], "event_id": "forged-a", "sequence": 4_711, "outcome": "made_up"}
    await commands.by_hand("PUT", f"{hit['_index']}/_doc/forged-a?refresh=true", forged)
    commands.change("DELETE FROM budget_usage WHERE event_id = ?", a_row)
    await desk.report(report_of(bench, last_sequences={"proxy_log": 33, "analytics": 30, "budget": 30}))
    items = [each for each in await commands.reconcile(code=WRONG) if "verdict" in each]
    assert {(each["verdict"], each["sink"], each["kind"], each["event_id"], each["outcome"]) for each in items} == {
        ("missing", "search", "analytics", a_document, "ok"),
        ("surplus", "search", "analytics", "forged-a", "made_up"),
        ("missing", "rows", "budget", a_row, "ok"),
        ("gap", "", "proxy_log", "", ""),
    }
    [gap] = [each for each in items if each["verdict"] == "gap"]
    assert (gap["sequences"], gap["boot_id"]) == ("31-33", BOOT.boot_id)

    # mended
    await commands.replay("search")
    await commands.replay("rows")
    await commands.by_hand("DELETE", f"{hit['_index']}/_doc/forged-a?refresh=true")
    await desk.publish(3)
    found = await commands.reconcile(code=OK)
    assert [each["equal"] for each in found if "equal" in each] == [True] * 9


def test_whatever_differs_is_named_and_can_be_mended(
    kafka_server: Kafka,
    elasticsearch_server: Elasticsearch,
    tmp_path: Path,
    unique_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row and a document deleted by hand, a document of nobody, a report that claims more than the log has."""

    monkeypatch.setattr(reconciling, "_LOOKS", 1)  # at what is young and missing: it stays so here

    async def story(bench: JournalBench) -> None:
        await deletions_are_named(bench, elasticsearch_server.address)

    asyncio.run(_on_bench(story, "kafka", tmp_path, kafka_server, unique_name))
