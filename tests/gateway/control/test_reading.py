"""Reading entities: as many queries as tables, whatever is asked for."""

from __future__ import annotations

import pytest
from sqlalchemy import event, select

from gateway.control import reading
from gateway.control.entities import Attachment, LlmLink
from gateway.control.reading import among, read_all, read_changes, read_entities
from gateway.control.specs import APP, LLM
from gateway.control.store import ControlStore
from gateway.control.tables import APPS
from sluice.secrets import SecretBox
from tests.gateway.control.made import ADMIN, app, llm, plugin, token


async def _fill(store: ControlStore, count: int) -> None:
    plugin_id = (await store.plugins.create(plugin(), ADMIN)).id
    for number in range(count):
        made = await store.llms.create(llm(f"l{number}", attachments=(Attachment(plugin_id=plugin_id),)), ADMIN)
        owner = await store.apps.create(app(f"a{number}", llms=(LlmLink(llm_id=made.id),)), ADMIN)
        await store.tokens.create(token(owner.id, str(number)), ADMIN)


async def test_queries_do_not_grow_with_entities(store: ControlStore, box: SecretBox) -> None:
    """Loading, and catching up, take the same number of queries for one entity as for many."""
    counts: list[int] = []
    for total in (1, 6):
        await _fill_up_to(store, total)
        async with store.database.read() as connection:
            statements: list[str] = []
            engine = connection.sync_connection
            assert engine is not None
            event.listen(engine, "before_cursor_execute", lambda *sent, to=statements: to.append(sent[2]))
            await read_all(connection, box)
            await read_changes(connection, box, 0)
            counts.append(len(statements))
    assert counts[0] == counts[1] < 30


async def _fill_up_to(store: ControlStore, total: int) -> None:
    there = (await store.apps.find()).total
    if not there:
        await _fill(store, total)
        return
    for number in range(there, total):
        owner = await store.apps.create(app(f"a{number}", llms=(LlmLink(llm_id=1),)), ADMIN)
        await store.tokens.create(token(owner.id, str(number)), ADMIN)
        await store.llms.create(llm(f"l{number}", attachments=(Attachment(plugin_id=1),)), ADMIN)


@pytest.mark.parametrize("max_ids", [1, 10_000])
async def test_ids_may_be_any_number(
    store: ControlStore, box: SecretBox, monkeypatch: pytest.MonkeyPatch, max_ids: int
) -> None:
    """The entities of some ids are those and no others, also where the ids are too many to be named in a query."""
    monkeypatch.setattr(reading, "_MAX_IDS", max_ids)
    await _fill(store, 4)
    everything = await store.load()
    async with store.database.read() as connection:
        for ids in ([], [2], {1, 3, 99}, range(1, 5)):
            assert await read_entities(connection, APP, box, ids) == {
                id_: one for id_, one in everything.apps.items() if id_ in ids
            }
            assert await read_entities(connection, LLM, box, ids) == {
                id_: one for id_, one in everything.llms.items() if id_ in ids
            }
        by_query = await read_entities(connection, APP, box, select(APPS.c.id).where(APPS.c.name == "a2"))
    assert list(by_query.values()) == [everything.apps[3]]


def test_ids_out_of_bounds_are_not_sent() -> None:
    """An id that a database has no room for is in no query: there is none."""
    compiled = among(APPS.c.id, [5, 1 << 70, 0, -1]).compile()
    assert list(compiled.params.values()) == [[5]]
