"""The store as a whole: generations, changes, loading, pruning, several stores on one database."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from gateway.control.database import ControlDatabase
from gateway.control.entities import Actor, Attachment, Changes, Entities, LlmLink
from gateway.control.errors import ChangesLostError, ControlError, InvalidError, NotFoundError
from gateway.control.repository import Repository
from gateway.control.specs import SPECS
from gateway.control.store import KEPT_CHANGES, ControlStore
from gateway.control.tables import APP_LLMS, APPS, CHANGES, TOKENS
from sluice.secrets import SecretBox, SecretError, new_key
from tests.gateway.control.made import ADMIN, app, app_with_token, llm, plugin, sha256, token


def caught_up(before: Entities, changes: Changes | None) -> Entities:
    """What a reader has that applies changes to what it loaded."""
    if changes is None:
        return before
    found: dict[str, dict[int, Any]] = {}
    for spec in SPECS.values():
        merged = getattr(before, spec.plural) | getattr(changes, spec.plural)
        found[spec.plural] = {id_: merged[id_] for id_ in sorted(merged) if merged[id_] is not None}
    return Entities(generation=changes.generation, **found)


async def test_an_empty_store_is_of_generation_nought(store: ControlStore) -> None:
    """Before the first change there is nothing, nothing changed, and the generation is 0."""
    assert await store.load() == Entities()
    assert await store.generation() == 0
    assert await store.changes_since(0) is None


async def test_each_change_is_a_generation_that_is_told(store: ControlStore) -> None:
    """Every commit that changes an entity raises the generation and tells it; one that fails tells nothing."""
    told: list[int] = []
    store.on_change = told.append
    made = await store.llms.create(llm(), ADMIN)
    await store.llms.update(made.id, {"max_tokens": 3}, ADMIN)
    with pytest.raises(InvalidError):
        await store.llms.update(made.id, {"max_tokens": "3"}, ADMIN)
    await store.llms.update(made.id, {"max_tokens": 3}, ADMIN)
    await store.llms.delete(made.id, ADMIN)
    assert told == sorted(set(told))
    assert len(told) == 3
    assert told[-1] == await store.generation()


async def test_changes_are_what_changed_and_no_more(store: ControlStore) -> None:
    """``changes_since`` has the entities as they are now, ``None`` for the deleted, and nothing that did not change."""
    kept = await store.apps.create(app("kept"), ADMIN)
    gone = await store.apps.create(app("gone"), ADMIN)
    generation = await store.generation()
    await store.apps.delete(gone.id, ADMIN)
    made = await store.plugins.create(plugin(), ADMIN)
    changes = await store.changes_since(generation)
    assert changes == Changes(generation=await store.generation(), apps={gone.id: None}, plugins={made.id: made})
    assert kept.id not in changes.apps


async def test_a_deletion_changes_what_named_the_deleted(store: ControlStore) -> None:
    """Tokens go with their app; apps, attachments and failovers lose an LLM, an app or a plugin, in a new version."""
    first, second = [await store.llms.create(llm(name), ADMIN) for name in ("a", "b")]
    await store.llms.update(second.id, {"failover_llm_ids": (first.id,)}, ADMIN)
    app_id, token_id = await app_with_token(store)
    await store.set_llm_links(app_id, [LlmLink(llm_id=first.id), LlmLink(llm_id=second.id)], ADMIN)
    plugin_id = (await store.plugins.create(plugin(), ADMIN)).id
    attachments = [Attachment(plugin_id=plugin_id, app_id=app_id), Attachment(plugin_id=plugin_id)]
    await store.set_attachments(second.id, attachments, ADMIN)
    before = await store.load()

    await store.llms.delete(first.id, ADMIN)
    changed = await store.changes_since(before.generation)
    assert changed is not None
    assert changed.llms == {first.id: None, second.id: await store.llms.get(second.id)}
    assert (await store.llms.get(second.id)).failover_llm_ids == ()
    assert (await store.apps.get(app_id)).llms == (LlmLink(llm_id=second.id),)
    assert changed.apps[app_id] == await store.apps.get(app_id)
    assert (await store.apps.get(app_id)).version == before.apps[app_id].version + 1

    await store.apps.delete(app_id, ADMIN)
    assert (await store.llms.get(second.id)).attachments == (Attachment(plugin_id=plugin_id),)
    await store.plugins.delete(plugin_id, ADMIN)
    assert (await store.llms.get(second.id)).attachments == ()
    changed = await store.changes_since(before.generation)
    assert changed is not None
    assert changed.tokens == {token_id: None}
    assert caught_up(before, changed) == await store.load()


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "delete", "link", "attach", "failover", "look"]), *[st.integers(0, 3)] * 3
    ),
    max_size=15,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
async def test_who_follows_the_changes_has_what_is_loaded(
    store: ControlStore, operations: list[tuple[str, int, int, int]]
) -> None:
    """After any operations, at any moments: what was loaded, with the changes since applied, equals what is loaded."""
    known = await store.load()
    for number, (name, *numbers) in enumerate(operations):
        try:
            await _operate(store, name, f"{time.monotonic_ns()}-{number}", *numbers)
        except ControlError:
            continue
        if name == "look":
            known = caught_up(known, await store.changes_since(known.generation))
            assert known == await store.load()
    assert caught_up(known, await store.changes_since(known.generation)) == await store.load()


async def _operate(store: ControlStore, name: str, unique: str, kind: int, first: int, second: int) -> None:
    """One operation on the entities there are, by their places."""
    repositories: list[Repository[Any]] = [store.llms, store.apps, store.plugins, store.tokens]
    ids = [[entity.id for entity in (await repository.find()).items] or [1] for repository in repositories]
    llm_id, app_id, plugin_id = (found[first % len(found)] for found in ids[:3])
    match name:
        case "create":
            values = [llm(unique), app(unique), plugin(unique), token(app_id, unique)][kind]
            await repositories[kind].create(values, ADMIN)
        case "update":
            await repositories[kind].update(ids[kind][second % len(ids[kind])], {"is_active": bool(first % 2)}, ADMIN)
        case "delete":
            await repositories[kind].delete(ids[kind][second % len(ids[kind])], ADMIN)
        case "link":
            await store.set_llm_links(app_id, [LlmLink(llm_id=id_) for id_ in ids[0][second:]], ADMIN)
        case "attach":
            attached = [Attachment(plugin_id=plugin_id), Attachment(plugin_id=ids[2][-1], app_id=app_id)]
            await store.set_attachments(llm_id, attached[kind % 2 :], ADMIN)
        case "failover":
            await store.llms.update(llm_id, {"failover_llm_ids": tuple(ids[0][second:])}, ADMIN)


async def test_two_stores_write_at_once(database: ControlDatabase, migrated_url: str, box: SecretBox) -> None:
    """No update of two writers is lost, none fails, every change is one generation, in order."""
    others = [ControlDatabase(migrated_url) for _ in range(2)]
    stores = [ControlStore(database, box), *(ControlStore(other, box) for other in others)]
    made = await stores[0].apps.create(app(), ADMIN)
    told: list[int] = []
    for store in stores:
        store.on_change = told.append

    async def count(store: ControlStore) -> None:
        for _ in range(10):
            while True:
                now = await store.apps.get(made.id)
                try:
                    await store.apps.update(made.id, {"max_concurrent": now.max_concurrent + 1}, ADMIN, now.version)
                    break
                except ControlError:
                    continue

    async with asyncio.TaskGroup() as tasks:
        for store in stores:
            tasks.create_task(count(store))
    after = await stores[0].apps.get(made.id)
    assert (after.max_concurrent, after.version) == (30, 31)
    assert len(set(told)) == 30
    for other in others:
        await other.close()


WRITES = """
import asyncio, sys
from gateway.control.database import ControlDatabase
from gateway.control.entities import Actor
from gateway.control.store import ControlStore
from sluice.secrets import SecretBox
async def main():
    store = ControlStore(ControlDatabase(sys.argv[1]), SecretBox([bytes(32)]))
    for number in range(100_000):
        made = await store.apps.create({"name": f"app {number}"}, Actor("killed"))
        print(made.id, flush=True)
asyncio.run(main())
"""


async def test_a_killed_writer_loses_nothing_it_answered(store: ControlStore, migrated_url: str) -> None:
    """After kill -9 every change that was answered is there, each with its audit entry, and others write on at once."""
    answered = _killed_writer(migrated_url)
    async with asyncio.timeout(10):
        after = await store.apps.create(app("after"), ADMIN)
    loaded = await store.load()
    assert {*answered, after.id} <= loaded.apps.keys()
    assert len(loaded.apps) == (await store.audit_entries()).total
    assert caught_up(Entities(), await store.changes_since(0)) == loaded


def _killed_writer(url: str) -> list[int]:
    """The ids of the apps that a program said it had made, before it was killed."""
    with subprocess.Popen([sys.executable, "-c", WRITES, url], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        answered = [int(writer.stdout.readline()) for _ in range(20)]
        writer.kill()
        return answered + [int(line) for line in writer.stdout if line.endswith("\n")]


async def test_changes_that_are_not_kept_are_lost(store: ControlStore) -> None:
    """Of more changes than are kept the oldest are pruned; who is behind them, or ahead of all, must load."""
    await store.apps.create(app(), ADMIN)
    old = await store.generation()
    async with store.database.write() as connection:
        await connection.execute(insert(CHANGES).values(generation=old + KEPT_CHANGES, kind="app", entity_id=1, at=1))
    await store.prune()
    with pytest.raises(ChangesLostError):
        await store.changes_since(old - 1)
    newest = await store.generation()
    assert newest == old + KEPT_CHANGES
    assert await store.changes_since(newest) is None
    with pytest.raises(ChangesLostError):
        await store.changes_since(newest + 1)


async def test_use_of_tokens_is_no_change(store: ControlStore) -> None:
    """``touch_tokens`` keeps the latest moment, knows no unknown token, and leaves version, generation and audit."""
    _, token_id = await app_with_token(store)
    generation, audited = await store.generation(), (await store.audit_entries()).total
    await store.touch_tokens({})
    await store.touch_tokens({token_id: 50, 999: 50})
    await store.touch_tokens({token_id: 40})
    assert ((await store.tokens.get(token_id)).last_used_at, await store.generation()) == (50, generation)
    await store.touch_tokens({token_id: 60})
    touched = await store.tokens.get(token_id)
    assert (touched.last_used_at, touched.version) == (60, 1)
    assert (await store.audit_entries()).total == audited


async def test_vendor_keys_move_to_a_new_key(store: ControlStore, database: ControlDatabase, box: SecretBox) -> None:
    """After ``reencrypt`` the new key alone reads every vendor key; the old one reads none; the audit says so."""
    keys = {name: f"sk-{name}" if name != "c" else "" for name in "abc"}
    for name, key in keys.items():
        await store.llms.create(llm(name, api_key=key), ADMIN)
    new_box = SecretBox([new_key()])
    generation = await store.generation()
    assert await store.reencrypt(new_box) == 2
    for reader in (store, ControlStore(database, new_box)):
        assert {found.slug: found.api_key for found in (await reader.load()).llms.values()} == keys
    with pytest.raises(SecretError):
        await ControlStore(database, box).load()
    entry = (await store.audit_entries(1, 1)).items[0]
    assert (entry.action, entry.actor, entry.after) == ("reencrypt", "command", {"llms": 2})
    assert await store.generation() == generation


async def test_a_lost_key_is_no_dead_end(store: ControlStore, database: ControlDatabase) -> None:
    """Where a vendor key's key is lost, loading says so; everything else can be changed, and the key set again."""
    made = await store.llms.create(llm(api_key="sk-1"), ADMIN)
    gone = await store.llms.create(llm("gone", api_key="sk-2"), ADMIN)
    other = ControlStore(database, SecretBox([new_key()]))
    with pytest.raises(SecretError):
        await other.load()
    await other.llms.update(made.id, {"max_tokens": 3}, ADMIN)
    assert (await store.llms.get(made.id)).api_key == "sk-1"  # not lost where the key is found again
    await other.llms.update(made.id, {"api_key": "sk-3"}, ADMIN)
    await other.llms.delete(gone.id, ADMIN)
    assert {found.api_key for found in (await other.load()).llms.values()} == {"sk-3"}


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_20_000_apps_are_loaded_within_3_seconds(store: ControlStore, database: ControlDatabase) -> None:
    """Of CPU, since others may want the machine too; equal tuples and texts of all that was loaded are one object."""
    first = await store.llms.create(llm(), ADMIN)
    await store.apps.create(app("first", allowed_ips=("10.0.0.0/8",)), ADMIN)
    await store.tokens.create(token(1), ADMIN)
    async with database.write() as connection:
        (app_row,) = (await connection.execute(APPS.select())).mappings()
        (token_row,) = (await connection.execute(TOKENS.select())).mappings()
        ids = range(2, 20_001)
        await connection.execute(insert(APPS), [{**app_row, "id": n, "name": f"app {n}"} for n in ids])
        rows = [{**token_row, "id": n, "app_id": n, "sha256": sha256(str(n))} for n in ids]
        await connection.execute(insert(TOKENS), rows)
        links = [{"app_id": n, "llm_id": first.id, "monthly_budget_nanos": 0} for n in ids]
        await connection.execute(insert(APP_LLMS), links)
    begun = time.process_time()
    loaded = await store.load()
    assert time.process_time() - begun < 3
    assert len(loaded.apps) == len(loaded.tokens) == 20_000
    two, last = loaded.apps[2], loaded.apps[20_000]
    assert two.llms == (LlmLink(llm_id=first.id),)
    for name in ("llms", "allowed_ips", "time_zone", "bodies", "budget_fail"):
        assert getattr(two, name) is getattr(last, name)
    assert replace(two, id=last.id, name=last.name) == last


async def test_the_audit_has_bounds(store: ControlStore) -> None:
    """Pages of the audit have bounds; ids of any size are looked for, and not found."""
    with pytest.raises(InvalidError, match="limit"):
        await store.audit_entries(1, 0)
    assert (await store.audit_entries(entity_id=1 << 80)).total == 0


async def test_a_plugin_is_renewed_by_its_version_alone(store: ControlStore) -> None:
    """Of the file too: what it is stays what the file says. It is a change as any other."""
    made = await store.plugins.create({"name": "a", "slug": "a", "command": "a.py"}, Actor("file"))
    before = await store.generation()
    renewed = await store.renew_plugin(made.id, ADMIN)
    assert (renewed.version, replace(renewed, version=1, updated_at=made.updated_at)) == (2, made)
    changes = await store.changes_since(before)
    assert changes
    assert changes.plugins == {made.id: renewed}
    assert (await store.audit_entries()).items[0].entity_id == made.id
    with pytest.raises(NotFoundError):
        await store.renew_plugin(made.id + 1, ADMIN)


async def test_all_of_it_is_read_in_parts(store: ControlStore) -> None:
    """Together they are what is there, of one generation."""
    owner = await store.apps.create(app(), ADMIN)
    await store.tokens.create(token(owner.id), ADMIN)
    await store.llms.create(llm(), ADMIN)
    parts = [part async for part in store.load_in_parts()]
    entities = await store.load()
    assert {part.generation for part in parts} == {entities.generation}
    for name in ("llms", "apps", "tokens", "prices", "plugins"):
        found = {key: value for part in parts for key, value in getattr(part, name).items()}
        assert found == getattr(entities, name), name
