"""Very many events, quickly made: rows of the database and documents of Elasticsearch, with the same figures."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from schemas.events import KINDS, Kind
from sluice.clock import iso_micros
from sluice.eventstore.dashboards.definitions import load_dashboards
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp
from sluice.eventstore.panels.interface import Panels
from sluice.eventstore.tables import TABLES, create_tables
from tests.collectors.events import ANALYTICS, BUDGET, COMMON, NOW_MICROS, PROXY_LOG

SPAN = 7 * 86_400_000_000
END = NOW_MICROS
_FIELDS: dict[Any, Any] = {"proxy_log": PROXY_LOG, "analytics": ANALYTICS, "budget": BUDGET}


def events_of(kind: Any, amount: int, apps: int = 40) -> Iterator[dict[str, Any]]:
    """Over a week before ``END``: apps, models and times go round at different paces."""
    for number in range(amount):
        yield {
            **COMMON,
            **_FIELDS[kind],
            "exchange_id": f"e{100_000_000 + number}",
            "event_id": f"e{100_000_000 + number}-{kind[0]}",
            "sequence": number,
            "occurred_at": END - SPAN + number * (SPAN // amount),
            "app_id": number % apps,
            "llm_id": number % 7,
            "llm_slug": f"llm-{number % 7}",
            "vendor": ("openai", "anthropic", "google")[number % 3],
            "model_name": f"model-{number % 23}",
            "outcome": "upstream_error" if number % 20 == 0 else "ok",
            "total_micros" if kind != "budget" else "cost_nanos": (number * 7_919) % 5_000_000,
        }


async def fill_database(url: str, amount: int, apps: int = 40, kinds: Iterable[Kind] = KINDS) -> None:
    """The same events as ``events_of`` makes, made by the database itself."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(create_tables)
        for kind in kinds:
            names, values = zip(*_columns(kind, amount, apps).items(), strict=True)
            numbers = (
                "WITH RECURSIVE s(n) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :amount)"
            )
            insert = f"INSERT INTO {TABLES[kind].name} ({', '.join(names)}) {numbers} SELECT {', '.join(values)} FROM s"  # noqa: S608
            await connection.execute(text(insert), {"amount": amount})
    await engine.dispose()


def _columns(kind: Kind, amount: int, apps: int) -> dict[str, str]:
    """SQL for each column."""
    [made] = events_of(kind, 1)
    found = {name: _literal(value) for name, value in made.items() if name in TABLES[kind].c}
    number = "(100000000 + n)"
    found |= {"exchange_id": f"'e' || {number}", "event_id": f"'e' || {number} || '-{kind[0]}'", "sequence": "n"}
    found |= {"occurred_at": f"{END - SPAN} + n * {SPAN // amount}", "app_id": f"n % {apps}", "llm_id": "n % 7"}
    found |= {"llm_slug": "'llm-' || (n % 7)", "model_name": "'model-' || (n % 23)"}
    found["vendor"] = "CASE n % 3 WHEN 0 THEN 'openai' WHEN 1 THEN 'anthropic' ELSE 'google' END"
    found["outcome"] = "CASE n % 20 WHEN 0 THEN 'upstream_error' ELSE 'ok' END"
    found["cost_nanos" if kind == "budget" else "total_micros"] = "(n * 7919) % 5000000"
    return found


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "TRUE", False: "FALSE"}[value]
    if isinstance(value, bytes):
        return "NULL"
    if isinstance(value, int):
        return str(value)
    found = orjson.dumps(value).decode() if isinstance(value, list) else value
    return "'" + found.replace("'", "''").replace(":", "\\:") + "'"


async def fill_elasticsearch(
    http: ElasticsearchHttp, names: Mapping[Kind, str], amount: int, apps: int = 40, kinds: Iterable[Kind] = KINDS
) -> None:
    """The same; templates must stand already."""
    for kind in kinds:
        stem = names[kind]
        made = events_of(kind, amount, apps)
        while batch := list(islice(made, 1_500)):
            lines = [line for each in batch for line in _lines(stem, each)]
            await _bulk(http, b"\n".join(lines) + b"\n")
        await http.request("POST", f"{stem}/_refresh")


_COUNTED = {
    *("event_id", "app_id", "llm_id", "llm_slug", "vendor", "model_name", "outcome", "currency", "cost_nanos"),
    *("cost_status", "prompt_tokens", "response_tokens", "total_tokens", "tokens_used", "reserved_nanos"),
    *("total_micros", "upstream_micros", "is_stream", "response_code", "tool_calls"),
}
"""What panels ask for: documents without the rest are made in a third of the time."""


async def _bulk(http: ElasticsearchHttp, body: bytes) -> None:
    """Until a server with a small heap has taken it."""
    deadline = time.monotonic() + 60
    while True:
        answer = await http.request("POST", "_bulk", body, {"content-type": "application/x-ndjson"})
        if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
            break
        assert time.monotonic() < deadline, answer.body[:500]
        await asyncio.sleep(0.1)
    assert b'"errors":false' in answer.body[:100], answer.body[:500]


def _lines(stem: str, made: dict[str, Any]) -> tuple[bytes, bytes]:
    moment = iso_micros(made["occurred_at"])
    index = f"{stem}-{moment[:10].replace('-', '.')}"
    document = {name: each for name, each in made.items() if name in _COUNTED and each is not None}
    action = {"create": {"_index": index, "_id": made["event_id"]}}
    return orjson.dumps(action), orjson.dumps({**document, "@timestamp": moment})


HEAVIEST = {
    "overview": ("top_models", "cost_by_app"),
    "latency": ("slow", "latency"),
    "models": ("vendors",),
    "spend": ("cost",),
}
"""What took longest when all panels were measured."""


def allowed_seconds() -> float:
    """The bound of a panel, which is for a machine that does nothing else: more where others wait for its cores."""
    return 2.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


async def slowest_panel(store: Panels, *, of_all: bool = False, enough_seconds: float = 1.0) -> float:
    """Seconds of the slowest panel over the week; the best of three where the machine may have been busy."""
    slowest = 0.0
    for dashboard in load_dashboards():
        for panel in dashboard.panels:
            if of_all or panel.name in HEAVIEST.get(dashboard.name, ()):
                query, best = panel.query.made(END - SPAN, END, "Europe/Berlin"), math.inf
                for _ in range(3):
                    began = time.monotonic()
                    await store.figures(query)
                    best = min(best, time.monotonic() - began)
                    if best < enough_seconds:
                        break
                print(f"{best:6.3f} s  {dashboard.name}.{panel.name}")
                slowest = max(slowest, best)
    return slowest
