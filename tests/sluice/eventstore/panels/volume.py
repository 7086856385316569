"""Very many events, quickly made: rows of the database and documents of Elasticsearch, with the same figures."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from schemas.events import KINDS, Kind
from sluice.clock import iso_micros
from sluice.eventstore.dashboards.definitions import Dashboard, load_dashboards
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp
from sluice.eventstore.panels.interface import Panels
from sluice.eventstore.tables import FIGURES, TABLES, create_tables
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
    """The same, with the fields that panels ask for; templates must stand already."""
    under_way = asyncio.Semaphore(3)
    for kind in kinds:
        for day, events in groupby(events_of(kind, amount, apps), lambda made: iso_micros(made["occurred_at"])[:10]):
            index = f"{names[kind]}-{day.replace('-', '.')}"
            made = await http.request("PUT", index, b'{"settings": %s}' % orjson.dumps(_QUICK))
            assert made.status == HTTPStatus.OK, made.body
            async with asyncio.TaskGroup() as group:
                while batch := b"".join(map(_lines_of(kind), islice(events, 2_000))):
                    await under_way.acquire()
                    group.create_task(_bulk(http, index, batch)).add_done_callback(lambda _: under_way.release())
        await http.request("POST", f"{names[kind]}/_refresh")


_QUICK = {"index.refresh_interval": "-1", "index.translog.durability": "async"}
"""Nobody reads while they are written, and nobody minds what a crash takes."""


def _lines_of(kind: Kind) -> Callable[[dict[str, Any]], bytes]:
    """Both lines of an event; without an id of ours, which Elasticsearch would look for first."""
    counted = sorted({"event_id", "plugins", *FIGURES[kind]} & set(_FIELDS[kind] | COMMON | {"event_id": ""}))

    def lines(made: dict[str, Any]) -> bytes:
        document = {name: made[name] for name in counted if made[name] is not None}
        document["@timestamp"] = iso_micros(made["occurred_at"])
        return b'{"create":{}}\n%s\n' % orjson.dumps(document)

    return lines


async def _bulk(http: ElasticsearchHttp, index: str, body: bytes) -> None:
    """Until a server with a small heap has taken it."""
    deadline = time.monotonic() + 60
    while True:
        answer = await http.request("POST", f"{index}/_bulk", body, {"content-type": "application/x-ndjson"})
        if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
            break
        assert time.monotonic() < deadline, answer.body[:500]
        await asyncio.sleep(0.1)
    assert b'"errors":false' in answer.body[:100], answer.body[:500]


_BOUND_SECONDS = 2.0


class Spent(NamedTuple):
    """What a page took."""

    page: str
    seconds: float
    cpu_seconds: float
    """Of this process: all of it, where the store is SQLite."""


def allowed_seconds() -> float:
    """The bound of a page, which is for a machine that does nothing else: more where others wait for its cores."""
    return _BOUND_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


async def pages(store: Panels, *, by: Literal["seconds", "cpu_seconds"] = "seconds", rounds: int = 3) -> list[Spent]:
    """Every page of figures over the week, as the console asks for it: all of its panels at once. The machine may be
    busy, so one that took too long is asked again, and the best of the rounds counts."""
    found = []
    for dashboard in load_dashboards():
        best = await _page(store, dashboard)
        for _ in range(rounds - 1):
            if getattr(best, by) > (allowed_seconds() if by == "seconds" else _BOUND_SECONDS):
                best = min(best, await _page(store, dashboard), key=attrgetter(by))
        found.append(best)
    return found


async def _page(store: Panels, dashboard: Dashboard) -> Spent:
    queries = [panel.query.made(END - SPAN, END, "Europe/Berlin") for panel in dashboard.panels]
    asked = [query if query.split_by else replace(query, compare="previous") for query in queries]
    began, cpu_before = time.monotonic(), time.process_time()
    await asyncio.gather(*map(store.figures, asked))
    spent = Spent(dashboard.name, time.monotonic() - began, time.process_time() - cpu_before)
    print(f"{spent.seconds:6.3f} s, {spent.cpu_seconds:6.3f} s here, load {os.getloadavg()[0]:.1f}  {dashboard.name}")
    return spent
