"""The contract of ``Panels.search``: each event once, newest first, over all apps, whatever the page."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from sluice.eventstore.panels.cells import Cell, Pass
from sluice.eventstore.panels.database import DatabasePanels
from sluice.eventstore.panels.interface import MAX_FOUND, UNREAD
from sluice.eventstore.panels.places import Place
from sluice.eventstore.panels.query import Filter, PanelQuery, QueryError
from sluice.eventstore.queries import Document
from tests.sluice.eventstore.panels.ledger import DAY, START, event, random_analytics, write
from tests.sluice.eventstore.panels.oracle import holds
from tests.sluice.eventstore.worlds import WORLDS, SharedIndices, World, open_world

APPS = (4_000_000, 4_000_001, 4_000_002)
OURS = Filter("app_id", "in", APPS)


@pytest.fixture(scope="module")
def indices() -> Iterator[SharedIndices]:
    """Of this file; removed at its end."""
    made = SharedIndices(f"t{secrets.token_hex(5)}")
    yield made
    asyncio.run(made.remove())


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path, indices: SharedIndices) -> AsyncIterator[World]:
    """Each store."""
    made = await open_world(request.param, request, tmp_path, indices)
    yield made
    await made.close()


async def test_pages_hold_each_event_once_newest_first(world: World) -> None:
    """Of any filters and page size, events of one millisecond among them; the last page has no cursor."""
    events = random_analytics(random.Random(3), list(APPS), 60)
    events += [event(app_id=APPS[0], occurred_at=START + 5_000 + number) for number in range(7)]
    await write(world, events)
    for filters in ((), (Filter("vendor", "is", ("openai",)),), (Filter("model_name", "contains", ("a",)),)):
        wanted = [made for made in events if all(holds(made, found) for found in filters)]
        unit = 1 if world.knows_micros else 1_000
        wanted.sort(key=lambda made: (made["occurred_at"] // unit, made["event_id"]), reverse=True)
        for limit in (7, MAX_FOUND):
            found, cursor = [], None
            while True:
                page = await world.store.search("analytics", (OURS, *filters), cursor=cursor, limit=limit)
                assert len(page.items) <= limit
                found += [item["event_id"] for item in page.items]
                cursor = page.cursor
                if cursor is None:
                    break
            assert found == [made["event_id"] for made in wanted]


async def test_what_is_long_is_left_out_and_the_rest_is_as_recorded(world: World) -> None:
    """A list of exchanges does not carry their bodies; lists are lists and times are micros."""
    made = event("proxy_log", app_id=APPS[1], occurred_at=START + DAY + 1_234)
    await write(world, [made])
    page = await world.store.search("proxy_log", (OURS,), START + DAY, START + DAY + 2_000)
    [found] = page.items
    assert found["occurred_at"] == made["occurred_at"]
    assert found["plugins"] == made["plugins"]
    assert found["labels"] == made["labels"]
    assert not set(found) & UNREAD
    assert page.cursor is None
    assert (await world.store.search("proxy_log", (OURS,), START + DAY, START + DAY)).items == ()


async def test_wrong_searches_are_refused(world: World) -> None:
    """Before the store hears of them: limits, cursors, fields."""
    for limit in (0, MAX_FOUND + 1, True, "5"):
        with pytest.raises(QueryError, match="limit"):
            await world.store.search("analytics", limit=limit)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="cursor"):
        await world.store.search("analytics", cursor="x' OR 1=1")
    with pytest.raises(QueryError, match="did you mean vendor"):
        await world.store.search("analytics", (Filter("vendors", "is", ("a",)),))


async def test_what_is_asked_at_once_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten viewers of a figure cost one question, and the panels of plugins' steps read the logs once."""
    store, asked = DatabasePanels(f"sqlite:///{tmp_path / 'events.db'}", 30), list[str]()

    async def cells(passes: Sequence[Pass]) -> list[list[Cell]]:
        asked.append("cells")
        await asyncio.sleep(0)
        return [[] for _ in passes]

    async def events(*_: object) -> list[tuple[Place, Document]]:
        asked.append("events")
        await asyncio.sleep(0)
        return []

    monkeypatch.setattr(store, "_cells", cells)
    monkeypatch.setattr(store, "_search_events", events)
    same = PanelQuery("analytics", START, START + DAY)
    assert len({id(answer) for answer in await asyncio.gather(*(store.figures(same) for _ in range(10)))}) == 1
    assert asked == ["cells"]
    steps = [PanelQuery("plugin_step", START, START + DAY, split_by=(name,)) for name in ("plugin", "hook", "decision")]
    await asyncio.gather(*map(store.figures, steps))
    assert asked == ["cells", "events"]
    await store.figures(same)
    assert asked == ["cells", "events", "cells"]
    await store.close()
