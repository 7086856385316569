"""What is particular to Elasticsearch: how far sketches may be off, how fast it is, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from schemas.events import KINDS, Kind
from sluice.eventstore.elasticsearch_http import ElasticsearchHttp
from sluice.eventstore.panels.elasticsearch import ElasticsearchPanels
from sluice.eventstore.panels.query import Measure, PanelQuery
from sluice.eventstore.queries import EventStoreError
from sluice.eventstore.templates import templates
from tests.servers import Elasticsearch
from tests.sluice.eventstore.panels.oracle import near
from tests.sluice.eventstore.panels.volume import (
    END,
    SPAN,
    Spent,
    allowed_seconds,
    events_of,
    fill_elasticsearch,
    pages,
)
from tests.sluice.eventstore.worlds import PATIENCE_SECONDS, SharedIndices

pytestmark = pytest.mark.elasticsearch


AMOUNT = 100_000


@contextmanager
def filled(server: Elasticsearch, amounts: Mapping[Kind, int]) -> Iterator[Mapping[Kind, str]]:
    """Indices of a week, by kind; they are gone at the end."""
    name = f"t{secrets.token_hex(5)}"
    names: Mapping[Kind, str] = {kind: f"{name}-{kind.replace('_', '-')}" for kind in KINDS}
    try:
        asyncio.run(_fill(server.url, names, amounts))
        yield names
    finally:
        asyncio.run(SharedIndices(name, server.url).remove())


async def _fill(url: str, names: Mapping[Kind, str], amounts: Mapping[Kind, int]) -> None:
    http = ElasticsearchHttp(url, timeout_seconds=60)
    try:
        for template in templates(names):
            answer = await http.request("PUT", template.path, orjson.dumps(template.body))
            assert answer.status == 200, answer.body
        for kind, amount in amounts.items():
            await fill_elasticsearch(http, names, amount, kinds=[kind])
    finally:
        await http.close()


@asynccontextmanager
async def opened(server: Elasticsearch, names: Mapping[Kind, str]) -> AsyncIterator[ElasticsearchPanels]:
    """A store over them."""
    store = ElasticsearchPanels(ElasticsearchHttp(server.url, timeout_seconds=60), names, PATIENCE_SECONDS)
    yield store
    await store.close()


@pytest.fixture(scope="module")
def week(elasticsearch_server: Elasticsearch) -> Iterator[Mapping[Kind, str]]:
    """A hundred thousand requests of a week, and some of the other events; written once, and only read."""
    with filled(elasticsearch_server, {"analytics": AMOUNT, "proxy_log": 6_000, "budget": 6_000}) as names:
        yield names


async def test_a_hundred_thousand_events_are_two_seconds_a_page(
    elasticsearch_server: Elasticsearch, week: Mapping[Kind, str]
) -> None:
    """Each page of figures, all of its panels at once."""
    async with opened(elasticsearch_server, week) as store:
        found = await pages(store)
    assert [each for each in found if each.seconds > allowed_seconds()] == []


async def test_sketches_are_near(elasticsearch_server: Elasticsearch, week: Mapping[Kind, str]) -> None:
    """Percentiles within 1 % of the ranks, distinct values within 1 % up to 3,000 and 6 % beyond, as is written."""
    async with opened(elasticsearch_server, week) as store:
        await sketches_are_near(store, AMOUNT)


async def sketches_are_near(store: ElasticsearchPanels, amount: int) -> None:
    """Every percentile, and as many different values as there are events."""
    percents = (0.1, 1, 5, 25, 50, 75, 95, 99, 99.9)
    measures = (Measure("percentiles", "total_micros", percents), Measure("distinct", "event_id"))
    answer = await store.figures(PanelQuery("analytics", END - SPAN, END, measures))
    values = sorted(made["total_micros"] for made in events_of("analytics", amount))
    for percent, found in zip(percents, answer.total, strict=False):
        assert isinstance(found, float)
        near(found, values, percent, 0.01)
        if percent in {0.1, 99.9}:
            near(found, values, percent, 0.001)
    distinct = answer.total[-1]
    assert isinstance(distinct, int)
    assert abs(distinct - amount) <= 0.06 * amount
    few = PanelQuery("analytics", END - SPAN, END - SPAN + SPAN * 3_000 // amount, (Measure("distinct", "event_id"),))
    [some] = (await store.figures(few)).total
    assert isinstance(some, int)
    assert abs(some - 3_000) <= 30


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_million_events_are_two_seconds_a_page(elasticsearch_server: Elasticsearch) -> None:
    """The bound of any page: a million requests in a week, and a hundred thousand of the other events."""
    with filled(elasticsearch_server, {"analytics": 1_000_000, "proxy_log": 100_000, "budget": 100_000}) as names:
        found = asyncio.run(_pages(elasticsearch_server, names))
    assert [each for each in found if each.seconds > allowed_seconds()] == []


async def _pages(server: Elasticsearch, names: Mapping[Kind, str]) -> list[Spent]:
    async with opened(server, names) as store:
        return await pages(store)


async def test_ten_thousand_groups_survive_and_more_are_refused(
    elasticsearch_server: Elasticsearch, week: Mapping[Kind, str]
) -> None:
    """The largest of 10,000 are found and the others are one; of one more the message says what to do."""
    each = SPAN // AMOUNT
    async with opened(elasticsearch_server, week) as store:
        measures = (Measure("sum", "cost_nanos"), Measure())
        query = PanelQuery("analytics", END - SPAN, END - SPAN + 10_000 * each, measures, ("event_id",), "1d", limit=3)
        answer = await store.figures(query)
        assert (answer.groups, [series.total[1] for series in answer.series]) == (10_000, [1, 1, 1, 9_997])
        with pytest.raises(EventStoreError, match="more than 10,000 groups by event_id: add a filter"):
            await store.figures(replace(query, end=query.end + each))


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that never answers."""
    await reader.read()
    writer.close()


async def test_a_server_that_hangs_costs_the_time_limit_and_no_more(tmp_path: Path) -> None:
    """Also when more questions wait for a turn than there are: each ends at its own limit."""
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    store = ElasticsearchPanels(ElasticsearchHttp(url, timeout_seconds=30), time_limit_seconds=1)
    ends: list[float] = []

    async def ask(number: int) -> None:
        with pytest.raises(EventStoreError, match="within 1 s"):
            await store.figures(PanelQuery("analytics", END - SPAN - number * 1_000, END))
        ends.append(time.monotonic())

    await asyncio.gather(*map(ask, range(9)))
    assert max(ends) - min(ends) < 0.9, "a turn behind another one's would end a limit later"
    await store.close()
    server.close()


async def test_what_elasticsearch_refuses_is_one_error_with_a_remedy() -> None:
    """Of passes side by side the first failure is raised as itself, not as a group."""

    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refusing, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    store = ElasticsearchPanels(ElasticsearchHttp(url, timeout_seconds=5))
    measures = (Measure("distinct", "app_id"), Measure("sum", "cost_nanos"))
    with pytest.raises(EventStoreError, match="the right to read these indices"):
        await store.figures(PanelQuery("analytics", END - SPAN, END, measures))
    await store.close()
    server.close()
