"""One change: all of it is remembered, or nothing of it happened."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.entities import AppEntity, LlmEntity
from gateway.control.specs import APP, LLM
from gateway.control.store import ControlStore
from gateway.control.tables import AUDIT, CHANGES
from gateway.control.transaction import Transaction
from sluice.secrets import SecretBox
from tests.gateway.control.made import ADMIN, app, app_with_token


async def test_nothing_done_is_nothing_remembered(store: ControlStore, box: SecretBox) -> None:
    """A transaction that wrote no entity has no generation, no change and no entry."""
    async with store.database.write() as connection:
        assert await Transaction(connection, box, ADMIN, 1).finish() == 0
    assert await store.generation() == 0
    assert (await store.audit_entries()).total == 0


async def test_what_fails_leaves_no_trace(store: ControlStore, box: SecretBox) -> None:
    """An entity that was written before an error is not there, nor its change, nor its entry; its id is not missed."""
    with pytest.raises(ZeroDivisionError):
        await _break_off(store, box)
    async with store.database.read() as connection:
        for table in (CHANGES, AUDIT):
            assert (await connection.execute(table.select())).all() == []
    assert (await store.load()).apps == {}
    assert (await store.apps.create(app("a"), ADMIN)).version == 1


async def _break_off(store: ControlStore, box: SecretBox) -> None:
    async with store.database.write() as connection:
        transaction = Transaction(connection, box, ADMIN, 1)
        await transaction.insert(APP, AppEntity(id=0, name="a"))
        await transaction.finish()
        raise ZeroDivisionError


async def test_ids_that_are_given_are_behind_those_to_come(store: ControlStore, box: SecretBox) -> None:
    """After an entity with an id of its own the database gives larger ones, and never one that was taken."""
    async with store.database.write() as connection:
        transaction = Transaction(connection, box, ADMIN, 1)
        await transaction.insert(APP, AppEntity(id=50, name="a"))
        await transaction.insert(APP, AppEntity(id=10, name="b"))
        made = await transaction.insert(APP, AppEntity(id=0, name="c"))
        await transaction.delete({"app": {made.id: made}})
        last = await transaction.insert(APP, AppEntity(id=0, name="d"))
        await transaction.finish()
    assert 50 < made.id < last.id
    assert (await store.apps.create(app("e"), ADMIN)).id > last.id


async def test_a_deletion_of_several_is_one_change(store: ControlStore, box: SecretBox) -> None:
    """Entities that refer to each other go together; none of them is changed on its way out."""
    app_id, token_id = await app_with_token(store)
    async with store.database.write() as connection:
        transaction = Transaction(connection, box, ADMIN, 1)
        values: dict[str, Any] = {"slug": "a", "name": "a", "vendor": "openai", "endpoint": "https://h/v1"}
        first = await transaction.insert(LLM, LlmEntity(id=0, **values, api_key="sk"))
        second = LlmEntity(id=90, **{**values, "slug": "b", "name": "b"}, failover_llm_ids=(first.id,))
        await transaction.insert(LLM, second)
        await transaction.finish()
    async with store.database.write() as connection:
        transaction = Transaction(connection, box, ADMIN, 2)
        apps = await transaction.read(APP)
        await transaction.delete({"llm": {first.id: first, 90: second}, "app": apps})
        await transaction.finish()
    entries = [(entry.kind, entry.entity_id, entry.action) for entry in (await store.audit_entries()).items[:4]]
    assert sorted(entries) == sorted(
        [("llm", first.id, "delete"), ("llm", 90, "delete"), ("app", app_id, "delete"), ("token", token_id, "delete")]
    )
    loaded = await store.load()
    assert (loaded.llms, loaded.apps, loaded.tokens) == ({}, {}, {})
