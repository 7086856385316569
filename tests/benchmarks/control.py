"""A gateway with 100,000 apps: its memory, what looking up and admitting cost, and how quick the control API is."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml
from sqlalchemy import insert

from gateway.access.admission import LimitedAdmission
from gateway.access.credentials import Credentials, hash_token
from gateway.access.host_share import share_of
from gateway.access.shared_table import SharedTable
from gateway.control.bootstrap import TOKEN_FILE
from gateway.control.entities import AppEntity, Entity, LlmEntity, LlmLink, PriceEntity, TokenEntity
from gateway.control.ledger import ControlLedger
from gateway.control.opening import open_control, prepare
from gateway.control.rows import entity_row, link_rows
from gateway.control.specs import APP, LLM, PRICE, TOKEN, Spec
from gateway.control.store import ControlStore
from gateway.settings import Settings
from gateway.snapshot_builder import build_snapshot
from gateway.telemetry import GatewayMetrics
from sluice.dev.servers.ports import free_port
from sluice.settings import load_settings
from tests.benchmarks.gateways import answers
from tests.benchmarks.processes import MEASURED_CORE, OTHER_CORE, Process
from tests.gateway.test_exchange import an_exchange

APPS, LLMS = 100_000, 1_000
LLMS_OF_AN_APP = 3
BATCH_ROWS = 2_000
LOOKUPS = 100_000
API_RATE = 100
API_CONNECTIONS = 20


def measure_control(folder: Path, seconds: float) -> dict[str, float]:
    """All figures of one database, made here."""
    port = free_port()
    config = folder / "control.yaml"
    config.write_text(yaml.safe_dump({"data_dir": str(folder / "control"), "gateway": {"id": "control", "port": port}}))
    settings = load_settings(config, Settings)
    asyncio.run(_fill(settings))
    lookup_us = asyncio.run(_lookups(settings))
    command = [sys.executable, "-m", "sluice", "gateway", "--config", config, "--log-level", "warning"]
    process = Process(command, MEASURED_CORE, folder / "control.log")
    try:
        url = f"http://127.0.0.1:{port}"
        process.wait_until(lambda: answers(f"{url}/ready"))
        rss_mib = process.rss_bytes() / (1 << 20)
        os.sched_setaffinity(0, {OTHER_CORE})
        token = (settings.data_dir / TOKEN_FILE).read_text().strip()
        latencies = sorted(asyncio.run(_api(url, token, seconds)))
    finally:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        process.stop()
    return {
        "apps": APPS,
        "llms": LLMS,
        "rss_mib": round(rss_mib, 1),
        "lookup_and_admission_us": round(lookup_us, 2),
        "api_p50_ms": round(latencies[len(latencies) // 2] * 1000, 1),
        "api_p99_ms": round(latencies[int(len(latencies) * 0.99)] * 1000, 1),
        "api_requests_per_second": round(len(latencies) / seconds, 1),
    }


async def _fill(settings: Settings) -> None:
    """As rows, past the store: what is measured is not how they came there."""
    await prepare(settings)
    async with open_control(settings) as control:
        await _insert(control.store, LLM, [_llm(number) for number in range(1, LLMS + 1)])
        apps = [_app(number) for number in range(10_001, 10_001 + APPS)]
        await _insert(control.store, APP, apps)
        await _insert(control.store, TOKEN, [_token(app.id) for app in apps])
        await _insert(control.store, PRICE, [_price()])


async def _insert(store: ControlStore, spec: Spec[Any], entities: Sequence[Entity]) -> None:
    for start in range(0, len(entities), BATCH_ROWS):
        part = entities[start : start + BATCH_ROWS]
        async with store.database.write() as connection:
            await connection.execute(insert(spec.table), [entity_row(spec, entity, store._box) for entity in part])
            if (links := spec.links) is not None:
                rows = [row for entity in part for row in link_rows(links, entity.id, getattr(entity, links.field))]
                if rows:
                    await connection.execute(insert(links.table), rows)


def _llm(number: int) -> LlmEntity:
    name = f"llm-{number}"
    return LlmEntity(id=number, slug=name, name=name, vendor="openai", endpoint="https://api.openai.com/v1")


def _app(number: int) -> AppEntity:
    links = tuple(LlmLink(llm_id=(number * 7 + at) % LLMS + 1) for at in range(LLMS_OF_AN_APP))
    return AppEntity(id=number, name=f"app-{number}", owner_email=f"owner-{number}@example.com", llms=links)


def _token(app_id: int) -> TokenEntity:
    return TokenEntity(id=app_id, app_id=app_id, name="one", prefix="slc_test", sha256=hash_token(f"token-{app_id}"))


def _price() -> PriceEntity:
    return PriceEntity(
        id=1,
        key="mini",
        vendor="openai",
        model_name="gpt-4o*",
        prompt_nanos=150_000_000,
        response_nanos=600_000_000,
        cache_read_nanos=75_000_000,
        cache_write_nanos=150_000_000,
    )


async def _lookups(settings: Settings) -> float:
    """Microseconds for LLM, token, app and admission, of apps in no order; the least of five runs."""
    async with open_control(settings) as control:
        snapshot = build_snapshot(await control.store.load())
        table = SharedTable(settings.data_dir / "bench-access", "w0")
        share = share_of(settings, table, ControlLedger(control.store.database, 0.125, print), GatewayMetrics())
        admission = LimitedAdmission(share.limits, share.budgets, settings.budget.default_output_tokens)
        credentials = Credentials()
        wanted = random.Random(1).sample(range(10_001, 10_001 + APPS), LOOKUPS // 5)
        asked = []
        for app_id in wanted:
            llm_id = (app_id * 7) % LLMS + 1
            headers = [(b"authorization", f"Bearer token-{app_id}".encode())]
            asked.append((f"llm-{llm_id}", an_exchange(headers=headers, model="gpt-4o-mini", body=b"x" * 1000)))
        runs = []
        for _ in range(5):
            began = time.process_time()
            for slug, exchange in asked:
                llm = snapshot.llms_by_slug[slug]
                credentials.authenticate(exchange, llm, snapshot)
                await admission.admit(exchange, llm, snapshot)
            runs.append((time.process_time() - began) / len(asked) * 1e6)
        table.close()
    return min(runs)


async def _api(url: str, token: str, seconds: float) -> list[float]:
    """The latencies of requests sent at a rate, whatever the answers take: mostly reads, some changes."""
    latencies: list[float] = []
    limits = httpx.Limits(max_connections=API_CONNECTIONS)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, limits=limits, timeout=30) as client:
        await client.get("/llms/1")

        async def ask(number: int, due: float) -> None:
            await _request(client, number)
            latencies.append(time.perf_counter() - due)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(seconds * API_RATE)):
                due = began + number / API_RATE
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.create_task(ask(number, max(due, time.perf_counter())))
    return latencies


async def _request(client: httpx.AsyncClient, number: int) -> None:
    kind = number % 10
    app_id = 10_001 + number * 997 % APPS
    if kind < 4:
        answer = await client.get(f"/apps/{app_id}")
    elif kind < 6:
        answer = await client.get(f"/llms/{number % LLMS + 1}")
    elif kind < 7:
        answer = await client.get("/apps", params={"page": number % 100 + 1})
    elif kind < 9:
        answer = await client.put(f"/apps/{app_id}", json={"description": f"changed {number}"})
    else:
        answer = await client.post("/apps", json={"name": f"made {number}", "owner_email": "dev@example.com"})
    if answer.status_code >= 400:
        message = f"the control API answered {answer.status_code}: {answer.text[:200]}"
        raise RuntimeError(message)
