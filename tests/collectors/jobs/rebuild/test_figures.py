"""The figures of an index are those of its documents: read page by page, and exact beyond what a double holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from collectors.errors import Halt
from collectors.jobs.rebuild import figures
from collectors.jobs.rebuild.cluster import Cluster
from collectors.jobs.rebuild.figures import IndexFigures, ids_of, surplus
from collectors.jobs.sums import Sums
from schemas.events import KINDS
from tests.collectors.jobs.rebuild.bench import Bench, events, opened
from tests.collectors.jobs.rebuild.told import said, told
from tests.servers import Elasticsearch


@pytest.fixture
async def bench(elasticsearch_server: Elasticsearch, unique_name: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """An entry of this test alone, and pages that are soon full."""
    async with opened(elasticsearch_server.url, unique_name, tmp_path) as found:
        yield found


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ids at a time, and a day in parts that do not divide it evenly."""
    monkeypatch.setattr(figures, "_IDS_AT_ONCE", 2)
    monkeypatch.setattr(figures, "_EVENTS_OF_PART", 1)


@pytest.mark.parametrize("kind", KINDS)
async def test_they_are_those_of_the_events(bench: Bench, kind: Any) -> None:
    """Of every kind: counts, nanos by currency to the last of 10^17, those without a cost, and the ids."""
    made = [events(kind, 0.1, 0.2, 0.3, 0.4, 0.9)]
    if kind == "analytics":
        made += [events(kind, 0.5, cost_nanos=None), events(kind, 0.6, cost_nanos=2**62 + 1, currency="EUR")]
        made += [events(kind, 0.7, cost_nanos=2**62 + 3, currency="EUR"), events(kind, 0.8, cost_nanos=0, currency="")]
    if kind == "budget":
        made += [events(kind, 0.5, cost_nanos=-(10**17) - 1), events(kind, 0.6, cost_nanos=10**17)]
    wanted = Sums()
    for frame in made:
        await bench.lived(frame)
        wanted.add(frame.kind, frame.rows)
    cluster = Cluster(bench.entry.config)
    try:
        read = IndexFigures(cluster, kind, bench.place(kind))
        assert await read.read() == wanted
        without = await read.read(with_ids=False)
        assert [each.checksum for each in without.days.values()] == [0]
        assert without.events == wanted.events
    finally:
        await cluster.close()


async def test_what_one_has_and_another_has_not_is_counted_and_named(bench: Bench) -> None:
    """Whichever ends first, and with pages of any size; no more ids are held than are shown."""
    await bench.lived(events("analytics", 0.1, 0.2, 0.3, 1.4))
    for frame in bench.log:
        await bench.live.write(bench.live.prepare(frame).documents)
    one, other, none = bench.place(), bench.place(day=1), f"{bench.name}-none"
    await bench.put(f"/{none}", {"mappings": {"properties": {"event_id": {"type": "keyword"}}}})
    cluster = Cluster(bench.entry.config)
    try:
        await cluster.refresh(f"{bench.name}-a")
        ids = await bench.ids(one)
        assert await surplus(cluster, one, none, 2) == (3, ids[:2])
        assert await surplus(cluster, none, one, 2) == (0, [])
        assert await surplus(cluster, one, one, 2) == (0, [])
        assert (await surplus(cluster, one, other, 9))[0] == 3
        assert await surplus(cluster, other, f"{bench.name}-a", 9) == (0, [])
        await bench.client.delete(f"/{one}/_doc/{ids[1]}?refresh=true")
        assert await surplus(cluster, f"{bench.name}-a", one, 9) == (1, await bench.ids(other))
    finally:
        await cluster.close()


async def test_documents_without_an_id_are_no_events() -> None:
    """They are last; nothing is asked behind them."""
    cluster, http = told(
        said({"hits": {"hits": [{"sort": ["a"]}, {"sort": ["b"]}]}}), said({"hits": {"hits": [{"sort": [None]}]}})
    )
    assert [ids async for ids in ids_of(cluster, "x")] == [["a", "b"]]
    assert http.bodies[1]["search_after"] == ["b"]


async def test_more_groups_than_an_answer_holds_are_no_figures() -> None:
    """Somebody else writes there."""
    buckets = [
        {"key": {"day": 0, "currency": str(at)}, "doc_count": 1, "cost_nanos": {"count": 0}} for at in range(10_001)
    ]
    cluster, _ = told(said({}), said({"aggregations": {"days": {"buckets": buckets}}}))
    with pytest.raises(Halt, match="more than 10000 currencies"):
        await IndexFigures(cluster, "budget", "x").read()
