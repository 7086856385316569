"""``sluice reprice`` over a real Kafka, over journals and into a real Elasticsearch: a day that was charged by a wrong
price is put right, to the nano, once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from collectors.jobs.origins import open_origin
from collectors.operations.running import settings_of
from collectors.settings import HostSettings
from schemas.codec import EncodedEvent, SchemaBook, encode_exchange
from schemas.ids import new_exchange_id
from sluice.clock import now_micros
from sluice.eventlog.connect import topics_of
from sluice.eventlog.modes import DurableLog
from tests.collectors.events import ANALYTICS, BUDGET, COMMON
from tests.collectors.jobs.replay.running import replayed
from tests.collectors.jobs.reprice.running import repriced
from tests.integration.collecting import QUICK, Collecting
from tests.integration.other_writers import Written
from tests.integration.stack import write_yaml
from tests.integration.stores import searched
from tests.integration.waiting import until_found
from tests.servers import Elasticsearch
from tests.sluice.eventlog.journal.making import begun

SECONDS = 60.0
DAY_MICROS = 86_400_000_000
WRONG = {"gpt-4o": 1_000, "mini": 7}
RIGHT = {"gpt-4o": (2_500, 10_000), "mini": (150, 600)}
"""Nanos of a prompt token and of a response token."""
PRICES = {
    "price_version": "2026-11/right",
    "prices_base": "none",
    "prices": [
        {"id": "gpt-4o", "model": "gpt-4o", "prompt": "2.5", "response": "10"},
        {"id": "mini", "model": "mini", "prompt": "0.15", "response": "0.6"},
    ],
}
VERSION = "2026-11/right"
CORRECTION = "-b-2026-11:2fright"
Publish = Callable[[Sequence[list[EncodedEvent]]], Awaitable[None]]


@dataclass
class Host:
    """A folder with settings files, a log that the test writes, and what its budgets must come to."""

    folder: Path
    name: str
    client: httpx.AsyncClient
    publish: Publish
    right: Counter[str] = field(default_factory=Counter)
    """Exchange id → what it costs by the right prices."""
    wrong: Counter[str] = field(default_factory=Counter)

    async def write(self, count: int, *, day: int = 2) -> None:
        """Exchanges of a day that were charged by the wrong prices; each tenth had none, and no budget event."""
        at = (now_micros() // DAY_MICROS - day) * DAY_MICROS + DAY_MICROS // 2
        await self.publish([self._exchange(number, at + number) for number in range(count)])

    def _exchange(self, number: int, at: int) -> list[EncodedEvent]:
        exchange_id, model = new_exchange_id(), ("gpt-4o", "mini")[number % 2]
        prompt, response = 100 + number, 3 * number
        is_priced = number % 10 != 3
        cost = WRONG[model] * (prompt + response) if is_priced else None
        common: Any = {**COMMON, "exchange_id": exchange_id, "occurred_at": at, "app_id": 7 + number % 3, "labels": [
            f"priced:model={model}"]}  # fmt: skip
        analytics: Any = {
            **ANALYTICS, "model_name": f"{model}-2026-01-01", "prompt_tokens": prompt, "response_tokens": response,
            "cache_read_prompt_tokens": None, "total_tokens": prompt + response, "cost_nanos": cost,
            "raw_usage": json.dumps({"prompt_tokens": prompt, "completion_tokens": response}),
            "cost_status": "exact" if is_priced else "unpriced", "price_version": "wrong",
        }  # fmt: skip
        month = {"period_id": "month", "period_start": at - at % (30 * DAY_MICROS), "period_end": at + 30 * DAY_MICROS}
        scopes = (("app", str(common["app_id"])), ("llm", "3"), ("app_llm", f"{common['app_id']}:3"))
        charges = [{"scope": scope, "scope_id": scope_id, **month} for scope, scope_id in scopes]
        budget: Any = {**BUDGET, "cost_nanos": cost or 0, "charges": charges}
        self.right[exchange_id] = RIGHT[model][0] * prompt + RIGHT[model][1] * response
        self.wrong[exchange_id] = cost or 0
        return encode_exchange(common, None, analytics, budget if is_priced else None)

    async def start(self, *arguments: str) -> Process:
        """``sluice reprice`` with these, as a process of its own."""
        command = [sys.executable, "-m", "sluice", "reprice", "--json", "--prices", "right.yaml"]
        return await asyncio.create_subprocess_exec(
            *command, "--price-version", VERSION, *arguments, cwd=self.folder, stdout=PIPE, stderr=PIPE
        )

    async def reprice(self, **given: Any) -> tuple[int, dict[str, Any], str]:
        """In this process."""
        asked = {} if "resume" in given else {"version": VERSION, "prices": str(self.folder / "right.yaml")}
        async with asyncio.timeout(SECONDS):
            return await repriced(self.folder, **asked, **given)

    async def budget_events(self) -> list[dict[str, Any]]:
        """Every one in the log, as often as it is there."""
        host = settings_of(self.folder / "sluice.yaml", HostSettings)
        origin, topic, book = open_origin(host), topics_of(host).event("budget").name, SchemaBook()
        try:
            ranges = await origin.ranges([topic])
            found = [record async for _, records in origin.read(ranges, [topic]) for record in records]
        finally:
            await origin.close()
        return [book.decode(record.value or b"")[1] for record in found if record.topic == topic]

    async def assert_each_is_right(self) -> list[dict[str, Any]]:
        """What the log has charged for each exchange is what it costs, and each event is there once; the corrections,
        whose sequences have no gap."""
        events = await self.budget_events()
        assert len({event["event_id"] for event in events}) == len(events)
        charged: Counter[str] = Counter()
        for event in events:
            charged[event["exchange_id"]] += event["cost_nanos"]
        assert charged == self.right
        corrections = [event for event in events if event["kind"] == "correction"]
        assert sorted(event["sequence"] for event in corrections) == [*range(1, len(corrections) + 1)]
        assert len({(event["gateway_id"], event["worker"], event["boot_id"]) for event in corrections}) == 1
        return corrections

    async def documents(self) -> dict[str, dict[str, Any]]:
        """Event id → analytics, as readers find it."""
        await self.client.post(f"/{self.name}-search-*/_refresh")
        path = f"/{self.name}-search-a/_search?ignore_unavailable=true"
        answer = await searched(self.client, path, {"size": 10_000})
        return {hit["_source"]["event_id"]: hit["_source"] for hit in answer.json()["hits"]["hits"]}


@pytest.fixture
async def host(request: pytest.FixtureRequest, unique_name: str, tmp_path: Path) -> AsyncIterator[Host]:
    """Over Kafka, or over journals; a live collector is the test's to start."""
    elasticsearch: Elasticsearch = request.getfixturevalue("elasticsearch_server")
    is_kafka = request.param == "kafka"
    write_yaml(tmp_path / "right.yaml", PRICES)
    async with contextlib.AsyncExitStack() as closing:
        kafka = request.getfixturevalue("kafka_server") if is_kafka else cast("Any", _Nowhere)
        bench = Collecting(tmp_path, unique_name, kafka, elasticsearch)
        bench.configure(bench.search(retry=QUICK))
        write_yaml(
            tmp_path / "sluice.yaml",
            {"data_dir": str(tmp_path / "data"), **({"kafka": bench.kafka} if is_kafka else {})},
        )
        publish = await (_of_kafka(bench, closing) if is_kafka else _of_journal(tmp_path, closing))
        client = await closing.enter_async_context(httpx.AsyncClient(base_url=elasticsearch.url, timeout=60))
        yield Host(tmp_path, unique_name, client, publish)
        await bench.delete_indices()


class _Nowhere:
    address = ""


async def _of_kafka(bench: Collecting, closing: contextlib.AsyncExitStack) -> Publish:
    await closing.enter_async_context(bench.topics_made())

    async def publish(exchanges: Sequence[list[EncodedEvent]]) -> None:
        events = [
            Written(
                each.kind,
                {"event_id": each.event_id, "exchange_id": each.exchange_id, "gateway_id": "gw-1",
                 "occurred_at": each.occurred_at},
                each.value(number),
            )
            for number, several in enumerate(exchanges, 1)
            for each in several
        ]  # fmt: skip
        assert bench._gateway is not None
        await bench._gateway.publish(events)

    return publish


async def _of_journal(folder: Path, closing: contextlib.AsyncExitStack) -> Publish:
    journal = begun(folder / "data" / "journals" / "gateway-1" / "0")
    closing.push_async_callback(journal.close)
    log = DurableLog(journal)

    async def publish(exchanges: Sequence[list[EncodedEvent]]) -> None:
        for events in exchanges:
            await log.commit(events)

    return publish


def both(test: Callable[..., Any]) -> Any:
    """Over Kafka, and over the journals of a host."""
    return pytest.mark.parametrize("host", ["kafka", "journal"], indirect=True)(test)


@both
async def test_a_wrong_price_is_reported_and_corrected_once(host: Host) -> None:
    """The report is exact by app and model, and writes nothing; corrections make each exchange's sum what it costs,
    those too that had no price and no budget event; a second run finds them in the log."""
    await host.write(120)
    code, report, err = await host.reprice(csv=host.folder / "difference.csv")
    assert (code, report["problems"]) == (0, []), err
    totals = {"old_nanos": host.wrong.total(), "new_nanos": host.right.total(),
              "difference_nanos": host.right.total() - host.wrong.total()}  # fmt: skip
    groups = report["details"]["groups"]
    assert report["details"]["totals"] == {"USD": totals}
    assert sum(group["new_nanos"] for group in groups) == host.right.total()
    assert {(group["app_id"], group["model"]) for group in groups} == {
        (app, f"{model}-2026-01-01") for app in (7, 8, 9) for model in RIGHT
    }
    assert sum(group["unpriced_before"] for group in groups) == 12
    assert len((host.folder / "difference.csv").read_text().splitlines()) == len(groups) + 1
    assert len(await host.budget_events()) == 108

    code, report, err = await host.reprice(corrections=True, dry_run=True)
    assert (code, report["details"]["corrections"]["due"]) == (0, 120), err
    code, report, err = await host.reprice(corrections=True, job="first")
    assert (code, report["problems"], report["details"]["corrections"]["published"]) == (0, [], 120), err
    assert report["details"]["corrections"]["unbudgeted"] == 12
    corrections = await host.assert_each_is_right()
    assert {event["event_id"] for event in corrections} == {f"{each}{CORRECTION}" for each in host.right}
    assert {(event["requests_count"], event["price_version"], event["worker"]) for event in corrections} == {
        (0, VERSION, "first")
    }
    assert {len(event["charges"]) for event in corrections} == {3}

    code, report, err = await host.reprice(corrections=True)
    assert (code, report["problems"]) == (0, []), err
    found = report["details"]["corrections"]
    assert (found["published"], found["already_there"]) == (0, 120)
    await host.assert_each_is_right()


@pytest.mark.parametrize("host", ["kafka", pytest.param("journal", marks=pytest.mark.long)], indirect=True)
async def test_killed_while_it_corrects_it_goes_on_without_a_gap(host: Host) -> None:
    """kill -9 as soon as corrections have numbers: whoever resumes publishes them, with the same."""
    await host.write(600)
    running = await host.start("--corrections", "--job", "killed")

    ledger = host.folder / "data" / "jobs" / "killed" / "corrections.db"

    async def has_begun() -> bool:
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(ledger)) as database:
            return ledger.exists() and bool(database.execute("SELECT COUNT(*) FROM issued").fetchone()[0])
        return False

    await until_found(has_begun, SECONDS, "the first numbers", poll_seconds=0.01)
    assert running.returncode is None
    running.send_signal(signal.SIGKILL)
    await running.wait()
    published = [event for event in await host.budget_events() if event["kind"] == "correction"]
    assert len(published) < len(host.right)
    code, report, err = await host.reprice(resume="killed")
    assert (code, report["problems"]) == (0, []), err
    assert len(await host.assert_each_is_right()) == len(host.right)
    code, report, err = await host.reprice(corrections=True)
    assert (code, report["details"]["corrections"]["published"]) == (0, 0), err


@pytest.mark.parametrize("host", ["kafka", pytest.param("journal", marks=pytest.mark.long)], indirect=True)
async def test_analytics_are_rebuilt_at_the_right_prices(host: Host) -> None:
    """After the swap every document of the day has the new price, of those that ``--filter`` means, and the others are
    there as they were; budgets are not touched."""
    await host.write(60)
    code, _, err = await replayed(host.folder, "search", topics=("analytics",))
    assert code == 0, err
    before = await host.documents()
    code, report, said = await host.reprice(rebuild=True, swap=True, sink="search", job=host.name, where="app_id = 7")
    assert (code, report["problems"]) == (0, []), said
    assert {each["state"] for each in report["details"]["places"]} == {"swapped"}
    after = await host.documents()
    assert after.keys() == before.keys()
    for event_id, document in after.items():
        if document["app_id"] == 7:
            assert document["cost_nanos"] == host.right[document["exchange_id"]]
            assert (document["price_version"], document["cost_status"]) == (VERSION, "exact")
        else:
            assert document == before[event_id]
    assert len(await host.budget_events()) == 54
