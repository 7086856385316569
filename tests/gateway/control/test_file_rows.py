"""Entities of ``sluice.yaml`` in the control database: equal to the file after each change, whatever it was."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from gateway.control.database import ControlDatabase
from gateway.control.entities import (
    Actor,
    AppEntity,
    Attachment,
    Entities,
    Entity,
    LlmEntity,
    LlmLink,
    PluginEntity,
    PriceEntity,
    TokenEntity,
)
from gateway.control.errors import FileConflictError, InvalidError
from gateway.control.specs import SPECS
from gateway.control.store import ControlStore
from sluice.secrets import SecretBox
from tests.gateway.control.made import ADMIN, app, llm, price, sha256, token


def file_llm(number: int, slug: str, **values: Any) -> LlmEntity:
    """An LLM as the file has it."""
    made = {"slug": slug, "name": slug, "vendor": "openai", "endpoint": "https://api.openai.com/v1"}
    return LlmEntity(id=number, managed_by="file", **{**made, **values})


def file_token(number: int, app_id: int, text: str, **values: Any) -> TokenEntity:
    """A token as the file has it; the number is its place there."""
    return TokenEntity(id=number, managed_by="file", app_id=app_id, sha256=sha256(text), **values)


def file_price(number: int, key: str, **values: Any) -> PriceEntity:
    """A price as the file has it; the number is its place there."""
    nanos = {"prompt_nanos": 1, "response_nanos": 1, "cache_read_nanos": 1, "cache_write_nanos": 1}
    made = {"vendor": "openai", "model_name": key, **nanos}
    return PriceEntity(id=number, managed_by="file", key=key, **{**made, **values})


def file_plugin(number: int, name: str) -> PluginEntity:
    """A plugin as the file has it."""
    return PluginEntity(id=number, managed_by="file", name=name, slug=name, command="python://a:B")


def entities(*made: LlmEntity | AppEntity | TokenEntity | PriceEntity | PluginEntity) -> Entities:
    """By kind and id."""
    kinds: dict[str, type[Entity]] = {spec.plural: spec.entity for spec in SPECS.values()}
    found: dict[str, Any] = {name: {one.id: one for one in made if isinstance(one, kinds[name])} for name in kinds}
    return Entities(**found)


FILE = entities(
    file_plugin(3, "shield"),
    file_llm(5, "a", api_key="sk-a", attachments=(Attachment(plugin_id=3),), failover_llm_ids=(6,)),
    file_llm(6, "b"),
    AppEntity(id=7, managed_by="file", name="shop", llms=(LlmLink(llm_id=6), LlmLink(llm_id=5))),
    file_token(1, 7, "one"),
    file_price(1, "gpt-4o"),
)


def as_file(found: Entities) -> dict[str, Any]:
    """What the file says of what is there; tokens and prices by what the file knows them by."""

    def same(entity: Any) -> Any:
        return replace(entity, version=1, created_at=0, updated_at=0)

    def unordered(llms: tuple[LlmLink, ...]) -> tuple[LlmLink, ...]:
        return tuple(sorted(llms, key=lambda link: link.llm_id))

    return {
        "llms": {id_: same(one) for id_, one in found.llms.items() if one.managed_by == "file"},
        "plugins": {id_: same(one) for id_, one in found.plugins.items() if one.managed_by == "file"},
        "apps": {
            id_: replace(same(one), llms=unordered(one.llms))
            for id_, one in found.apps.items()
            if one.managed_by == "file"
        },
        "tokens": {one.sha256: replace(same(one), id=0) for one in found.tokens.values() if one.managed_by == "file"},
        "prices": {one.key: replace(same(one), id=0) for one in found.prices.values() if one.managed_by == "file"},
    }


async def test_the_file_is_written_once(store: ControlStore) -> None:
    """What the file says is there with the ids it gives; the same file again does nothing and changes nothing."""
    assert await store.apply_file(FILE, "1") is True
    loaded = await store.load()
    assert as_file(loaded) == as_file(FILE)
    assert await store.apply_file(FILE, "1") is False
    assert await store.load() == loaded
    assert (await store.llms.create(llm("c"), ADMIN)).id == 7
    assert (await store.apps.create(app("c"), ADMIN)).id == 8


async def test_another_file_with_the_same_entities_changes_none(store: ControlStore) -> None:
    """Where a comment changed, no entity has a new version and no generation passes."""
    await store.apply_file(FILE, "1")
    loaded = await store.load()
    assert await store.apply_file(FILE, "2") is True
    assert await store.load() == loaded


async def test_only_what_differs_changes(store: ControlStore) -> None:
    """An entity that differs has the next version; the ones that do not have theirs; who is gone is gone."""
    await store.apply_file(FILE, "1")
    before = await store.load()
    after = replace(FILE, llms={5: replace(FILE.llms[5], max_tokens=9), 6: FILE.llms[6]}, prices={})
    await store.apply_file(after, "2")
    changes = await store.changes_since(before.generation)
    assert changes is not None
    assert (changes.llms[5] or FILE.llms[5]).version == 2
    assert (set(changes.llms), changes.apps, list(changes.prices.values())) == ({5}, {}, [None])
    audited = await store.audit_entries(kind="llm", entity_id=5)
    assert (audited.items[0].actor, audited.items[0].action) == ("file", "update")
    assert "sk-a" not in str(audited)


async def test_names_may_wander(store: ControlStore) -> None:
    """Two that exchange their names, and a new one with the name of one that goes, are no conflict."""
    await store.apply_file(FILE, "1")
    swapped = {5: replace(FILE.llms[5], slug="b", name="b"), 6: replace(FILE.llms[6], slug="a", name="a")}
    await store.apply_file(replace(FILE, llms=swapped), "2")
    assert as_file(await store.load())["llms"] == swapped
    other_app = AppEntity(id=9, managed_by="file", name="shop")
    moved = replace(FILE, llms=swapped, apps={9: other_app}, tokens={1: replace(FILE.tokens[1], app_id=9)})
    token_id = next(iter((await store.load()).tokens))
    await store.apply_file(moved, "3")
    loaded = await store.load()
    assert as_file(loaded) == as_file(moved)
    assert loaded.tokens[token_id].app_id == 9  # the same credential, though its app went


async def test_prices_may_exchange_their_models(store: ControlStore) -> None:
    """Prices that exchange model and moment keep their ids; their keys say which is which."""
    first, second = file_price(1, "x"), file_price(2, "y")
    await store.apply_file(entities(first, second), "1")
    ids = {one.key: one.id for one in (await store.load()).prices.values()}
    turned = entities(replace(first, model_name="y"), replace(second, model_name="x"))
    await store.apply_file(turned, "2")
    loaded = await store.load()
    assert {one.key: (one.id, one.model_name) for one in loaded.prices.values()} == {
        "x": (ids["x"], "y"),
        "y": (ids["y"], "x"),
    }


async def test_what_was_made_over_the_api_stays(store: ControlStore) -> None:
    """Entities of the API are left alone; they lose what they link to where that leaves the file, and nothing else."""
    await store.apply_file(FILE, "1")
    own = await store.llms.create(llm("own"), ADMIN)
    linked = await store.apps.create(app("mine", llms=(LlmLink(llm_id=6), LlmLink(llm_id=own.id))), ADMIN)
    guest = await store.tokens.create(token(7, "guest"), ADMIN)
    await store.touch_tokens({1: 5})
    await store.apply_file(replace(FILE, llms={5: replace(FILE.llms[5], failover_llm_ids=())}, apps={}, tokens={}), "2")
    loaded = await store.load()
    assert loaded.llms[own.id] == own
    assert loaded.apps[linked.id].llms == (LlmLink(llm_id=own.id),)
    assert loaded.apps[linked.id].version == 2
    assert guest.id not in loaded.tokens  # its app is gone
    entry = (await store.audit_entries(kind="token", entity_id=guest.id)).items[0]
    assert (entry.actor, entry.action) == ("file", "delete")


async def test_use_of_a_token_is_not_the_file_s(store: ControlStore) -> None:
    """When a token was used last stays, whatever the file changes of it."""
    await store.apply_file(FILE, "1")
    token_id = next(iter((await store.load()).tokens))
    await store.touch_tokens({token_id: 5})
    await store.apply_file(replace(FILE, tokens={1: replace(FILE.tokens[1], name="new")}), "2")
    found = await store.tokens.get(token_id)
    assert (found.name, found.last_used_at) == ("new", 5)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (file_llm(1, "x"), "id"),
        (file_llm(9, "taken", name="y"), "slug"),
        (file_llm(9, "y", name="TAKEN"), "name"),
        (AppEntity(id=1, managed_by="file", name="x"), "id"),
        (AppEntity(id=9, managed_by="file", name="taken"), "name"),
        (file_token(1, 7, "taken"), "sha256"),
        (file_price(1, "price-1", model_name="x"), "key"),
        (file_price(1, "x", model_name="taken"), "valid_from"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_a_conflict_names_both_and_changes_nothing(store: ControlStore, wanted: Any, field: str) -> None:
    """An id or a name that an entity of the API has refuses the whole file; the message names both, and no hash."""
    await store.llms.create(llm("taken"), ADMIN)
    taken_app = await store.apps.create(app("taken"), ADMIN)
    await store.tokens.create(token(taken_app.id, "taken"), ADMIN)
    await store.prices.create(price("taken"), ADMIN)
    before = await store.load()
    owner = AppEntity(id=7, managed_by="file", name="owner")
    with pytest.raises(FileConflictError, match="made over the API") as refused:
        await store.apply_file(entities(owner, wanted), "1")
    assert (refused.value.field, refused.value.id) == (field, 1)
    assert refused.value.key in str(refused.value)
    assert sha256("taken") not in str(refused.value)
    assert await store.load() == before
    assert await store.apply_file(entities(owner), "1") is True


async def test_what_the_database_cannot_hold_is_refused(store: ControlStore) -> None:
    """A name that is too long for the file's entity refuses the file by its field, on both databases."""
    with pytest.raises(InvalidError, match="name: must have at most 255 characters"):
        await store.apply_file(entities(AppEntity(id=1, managed_by="file", name="x" * 256)), "1")
    assert await store.load() == Entities()


async def test_of_four_that_start_at_once_one_writes(
    database: ControlDatabase, migrated_url: str, box: SecretBox
) -> None:
    """Four gateways with the same file write it once: one of them says so, every entity has its first version."""
    others = [ControlDatabase(migrated_url) for _ in range(3)]
    stores = [ControlStore(each, box) for each in (database, *others)]
    said = await asyncio.gather(*(store.apply_file(FILE, "1") for store in stores))
    assert sorted(said) == [False, False, False, True]
    loaded = await stores[0].load()
    assert {llm.version for llm in loaded.llms.values()} == {1}
    for other in others:
        await other.close()


NUMBERS = itertools.count()
NAMES = st.permutations(["a", "b", "c", "d"])


@st.composite
def files(draw: st.DrawFn) -> Entities:
    """Files that differ in who is there, what they are called and whom they name."""
    names = draw(NAMES)
    llm_ids = draw(st.sets(st.integers(1, 4)))
    llms = [
        file_llm(n, names[n - 1], failover_llm_ids=tuple(draw(st.sets(st.sampled_from(sorted(llm_ids)))) - {n}))
        for n in llm_ids
    ]
    apps = [
        AppEntity(id=n, managed_by="file", name=names[-n], llms=tuple(LlmLink(llm_id=i) for i in llm_ids if i != n))
        for n in draw(st.sets(st.integers(1, 3)))
    ]
    texts = draw(st.permutations(["t", "u", "v"])) if apps else []
    tokens = [
        file_token(n, draw(st.sampled_from(apps)).id, text)
        for n, text in enumerate(texts[: draw(st.integers(0, 3))], 1)
    ]
    return entities(*llms, *apps, *tokens)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=st.lists(files(), min_size=1, max_size=4))
async def test_after_any_files_there_is_the_last(store: ControlStore, versions: list[Entities]) -> None:
    """Whatever files came before, what the file manages equals the last one."""
    for version in versions:
        await store.apply_file(version, str(next(NUMBERS)))
        assert as_file(await store.load()) == as_file(version)


async def test_many_are_few_statements(store: ControlStore) -> None:
    """A file of thousands is written, changed and taken away in batches, and no law is lost: a change and an entry for
    each, new ids in the file's order, links with all of them; what an LLM's end takes from its apps too."""
    count = 1_200
    apps = [AppEntity(id=n, managed_by="file", name=f"a{n}", llms=(LlmLink(llm_id=1),)) for n in range(1, count + 1)]
    tokens = [file_token(-n, n, f"t{n}") for n in range(1, count + 1)]
    first = entities(file_llm(1, "a", api_key="sk-a"), file_llm(2, "b"), *apps, *tokens)
    second = replace(first, apps={each.id: replace(each, llms=(LlmLink(llm_id=2),)) for each in apps})
    done: dict[str, tuple[Callable[[], Awaitable[object]], int]] = {
        "made": (lambda: store.apply_file(first, "1"), 2 * count + 2),
        "linked to another": (lambda: store.apply_file(second, "2"), count),
        "that goes": (lambda: store.llms.delete(2, Actor("file")), count + 1),
        "all gone": (lambda: store.apply_file(entities(), "4"), 2 * count + 1),
    }
    for what, (do, changed) in done.items():
        generation = await store.generation()
        with statements(store.database) as executed:
            await do()
        assert len(executed) < 60, what
        assert await store.generation() - generation == changed, what
        assert (await store.audit_entries()).total == await store.generation()
        loaded = await store.load()
        assert [token.sha256 for token in loaded.tokens.values()] == (
            [] if what == "all gone" else [token.sha256 for token in tokens]
        )
        links = {"made": ((1,),), "linked to another": ((2,),), "that goes": ((),), "all gone": ()}[what]
        assert {tuple(link.llm_id for link in each.llms) for each in loaded.apps.values()} == set(links)


@contextmanager
def statements(database: ControlDatabase) -> Iterator[list[str]]:
    """What is sent to the database meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    engine = database._writer.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)
