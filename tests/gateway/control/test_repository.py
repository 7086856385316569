"""The laws of every kind's repository, on both databases."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import pytest

from gateway.control.entities import Actor, Attachment, EntityKind, LlmLink
from gateway.control.errors import (
    DuplicateError,
    FileManagedError,
    InvalidError,
    NotFoundError,
    StaleVersionError,
    UnknownReferenceError,
)
from gateway.control.repository import MAX_LIMIT, MAX_PAGE, Repository
from gateway.control.specs import SPECS
from gateway.control.store import ControlStore
from tests.gateway.control.made import ADMIN, app, app_with_token, llm, plugin, price, sha256, token

FILE = Actor("file")


@dataclass(frozen=True)
class Kind:
    """A repository, the values of two entities of it, and a change of the first."""

    kind: EntityKind
    repository: Repository[Any]
    first: dict[str, Any]
    second: dict[str, Any]
    change: dict[str, Any]


@pytest.fixture(params=list(SPECS))
async def kind(request: pytest.FixtureRequest, store: ControlStore) -> Kind:
    """Each kind in turn, with what its entities refer to."""
    app_id = (await store.apps.create(app("owner"), ADMIN)).id if request.param == "token" else 0
    kinds: dict[str, tuple[Any, ...]] = {
        "llm": (store.llms, llm("a", api_key="sk-1", labels=["x"]), llm("b"), {"max_tokens": 9, "api_key": "sk-2"}),
        "app": (store.apps, app("a", metadata={"n": 1 << 70}), app("b"), {"rate_limit_rpm": 7}),
        "token": (store.tokens, token(app_id, "a"), token(app_id, "b", expires_at=5), {"scopes": ("admin",)}),
        "price": (store.prices, price("a"), price("b", key="b"), {"prompt_nanos": 5}),
        "plugin": (store.plugins, plugin("a", config={"k": [1]}), plugin("b"), {"on_failure": "open"}),
    }
    return Kind(request.param, *kinds[request.param])


async def test_what_was_made_is_read_back(kind: Kind) -> None:
    """``create`` answers what ``get`` reads: the values, the defaults of the class, version 1, the moment."""
    made = await kind.repository.create(kind.first, ADMIN)
    assert await kind.repository.get(made.id) == made
    assert (made.version, made.managed_by) == (1, "api")
    assert made.created_at == made.updated_at > 0
    assert made.id > 0
    for name, value in kind.first.items():
        assert getattr(made, name) == (tuple(value) if isinstance(value, list) else value)


async def test_a_change_raises_the_version_and_stays(kind: Kind) -> None:
    """``update`` answers what ``get`` reads: the new values in the next version, everything else as before."""
    before = await kind.repository.create(kind.first, ADMIN)
    after = await kind.repository.update(before.id, kind.change, ADMIN, if_version=1)
    assert await kind.repository.get(before.id) == after
    expected = asdict(before) | kind.change | {"version": 2, "updated_at": after.updated_at}
    assert asdict(after) == expected
    assert after.updated_at >= before.updated_at


async def test_a_change_of_nothing_is_none(kind: Kind, store: ControlStore) -> None:
    """Values that an entity has already leave its version, the generation and the audit alone."""
    before = await kind.repository.create(kind.first, ADMIN)
    generation, audited = await store.generation(), (await store.audit_entries(1, 1)).total
    assert await kind.repository.update(before.id, kind.first, ADMIN) == before
    assert await kind.repository.update(before.id, {}, ADMIN) == before
    assert (await store.generation(), (await store.audit_entries(1, 1)).total) == (generation, audited)


async def test_what_is_deleted_is_not_found(kind: Kind) -> None:
    """After ``delete`` nothing finds the entity, and its id is never given again."""
    first = await kind.repository.create(kind.first, ADMIN)
    await kind.repository.delete(first.id, ADMIN, if_version=1)
    for attempt in (
        kind.repository.get(first.id),
        kind.repository.update(first.id, {}, ADMIN),
        kind.repository.delete(first.id, ADMIN),
    ):
        with pytest.raises(NotFoundError, match=f"no {kind.kind} with id {first.id}"):
            await attempt
    assert (await kind.repository.create(kind.first, ADMIN)).id > first.id


async def test_who_saw_another_version_changes_nothing(kind: Kind) -> None:
    """A version that is not the current one refuses change and deletion, and says the current one."""
    made = await kind.repository.create(kind.first, ADMIN)
    for version in (0, 2, -1):
        with pytest.raises(StaleVersionError) as stale:
            await kind.repository.update(made.id, kind.change, ADMIN, if_version=version)
        assert stale.value.current == 1
        with pytest.raises(StaleVersionError):
            await kind.repository.delete(made.id, ADMIN, if_version=version)
    assert await kind.repository.get(made.id) == made


async def test_what_is_unique_is_taken_once(kind: Kind) -> None:
    """A value that another entity has is refused by its field, when made and when changed, and nothing is written."""
    first = await kind.repository.create(kind.first, ADMIN)
    second = await kind.repository.create(kind.second, ADMIN)
    for group in SPECS[kind.kind].unique:
        taken = {name: getattr(first, name) for name in group}
        with pytest.raises(DuplicateError) as refused:
            await kind.repository.update(second.id, taken, ADMIN)
        assert (refused.value.kind, refused.value.field) == (kind.kind, group[-1])
        with pytest.raises(DuplicateError):
            await kind.repository.create(_third(kind) | taken, ADMIN)
    with pytest.raises(DuplicateError, match=r"^id: "):
        await kind.repository.create(_third(kind) | {"id": first.id}, ADMIN)
    assert (await kind.repository.find()).items == [first, second]


def _third(kind: Kind) -> dict[str, Any]:
    """Values that nobody else has."""
    texts = {name for group in SPECS[kind.kind].unique for name in group if isinstance(kind.second.get(name), str)}
    return kind.second | dict.fromkeys(texts, "third")


async def test_pages_are_by_id_and_filters_are_exact(kind: Kind) -> None:
    """Pages of a list are in the order of ids and complete; a filter finds what is equal and nothing else."""
    made = [await kind.repository.create(values, ADMIN) for values in (kind.first, kind.second)]
    assert (await kind.repository.find(page=2, limit=1)).items == made[1:]
    assert (await kind.repository.find(page=2, limit=1)).total == 2
    assert (await kind.repository.find(page=MAX_PAGE, limit=MAX_LIMIT)).items == []
    name = SPECS[kind.kind].unique[0][0]
    found = await kind.repository.find(version=1, **{name: getattr(made[1], name)})
    assert made[1] in found.items
    assert all(getattr(entity, name) == getattr(made[1], name) for entity in found.items)
    assert (await kind.repository.find(version=2)).total == 0


@pytest.mark.parametrize(("page", "limit"), [(0, 1), (-1, 1), (1, 0), (1, MAX_LIMIT + 1), (MAX_PAGE + 1, 1)])
async def test_pages_have_bounds(store: ControlStore, page: int, limit: int) -> None:
    """A page that cannot be is refused by name."""
    with pytest.raises(InvalidError, match=r"page|limit"):
        await store.apps.find(page=page, limit=limit)


async def test_what_cannot_be_looked_for_is_refused(store: ControlStore) -> None:
    """Secrets, lists, objects, links and names that are none have no filter; null finds what is not set."""
    for name in ("api_key", "labels", "metadata", "attachments", "no_such", "id; DROP TABLE llms"):
        values: dict[str, Any] = {name: "x"}
        with pytest.raises(InvalidError, match="cannot be looked for"):
            await store.llms.find(**values)
    made = await store.apps.create(app(), ADMIN)
    assert (await store.apps.find(user_id=None)).items == [made]
    with pytest.raises(InvalidError, match="user_id: must be a whole number"):
        await store.apps.find(user_id="1")


@pytest.mark.parametrize("entity_id", [0, -1, 1 << 31, 1 << 63, 1 << 200])
async def test_ids_of_any_size_are_not_found(store: ControlStore, entity_id: int) -> None:
    """An id that no database can hold is not found like any other."""
    for attempt in (
        store.llms.get(entity_id),
        store.llms.update(entity_id, {}, ADMIN),
        store.llms.delete(entity_id, ADMIN),
    ):
        with pytest.raises(NotFoundError):
            await attempt
    with pytest.raises(UnknownReferenceError if abs(entity_id) < 1 << 63 else InvalidError, match="app_id"):
        await store.tokens.create(token(entity_id), ADMIN)


async def test_fields_that_are_none_or_not_ours_are_refused(kind: Kind) -> None:
    """What the store keeps cannot be set, what is no field is refused, what is needed is asked for, all by name."""
    made = await kind.repository.create(kind.first, ADMIN)
    for name in ("id", "version", "created_at", "updated_at", "managed_by", "no_such"):
        with pytest.raises(InvalidError, match=f"^{name}: "):
            await kind.repository.update(made.id, {name: 3}, ADMIN)
    for field in fields(SPECS[kind.kind].entity):
        values = {name: value for name, value in kind.second.items() if name != field.name}
        if field.name in kind.second and field.name in {"slug", "name", "app_id", "command"} and kind.kind != "token":
            with pytest.raises(InvalidError, match=f"^{field.name}: is missing"):
                await kind.repository.create(values, ADMIN)


async def test_an_entity_of_the_file_is_the_file_s(kind: Kind) -> None:
    """What the file's actor made is changed by that actor alone; others are told where it stands."""
    made = await kind.repository.create(kind.first | {"id": 40}, FILE)
    assert (made.id, made.managed_by) == (40, "file")
    impostor = Actor("file", token_id=7)
    for attempt in (kind.repository.update(40, kind.change, ADMIN), kind.repository.delete(40, impostor)):
        with pytest.raises(FileManagedError, match=r"in sluice\.yaml") as refused:
            await attempt
        assert refused.value.key.startswith(SPECS[kind.kind].plural)
        assert sha256("a") not in str(refused.value)
    assert (await kind.repository.update(40, kind.change, FILE)).version == 2
    assert (await kind.repository.create(kind.second, ADMIN)).id == 41


async def test_a_price_is_named_after_its_id(store: ControlStore) -> None:
    """A price without a key gets ``price-<id>``; where that is taken it is refused and nothing is written."""
    first = await store.prices.create(price("a"), ADMIN)
    assert first.key == f"price-{first.id}"
    await store.prices.create(price("b", key=f"price-{first.id + 2}"), ADMIN)
    with pytest.raises(DuplicateError, match="key"):
        await store.prices.create(price("c"), ADMIN)
    assert (await store.prices.find()).total == 2


async def test_links_are_kept_in_order(store: ControlStore) -> None:
    """Plugins stay in the order they are given, twice the same included; an app's LLMs are in that of their ids."""
    first, second = [(await store.plugins.create(plugin(name), ADMIN)).id for name in ("a", "b")]
    app_id, _ = await app_with_token(store)
    attachments = (
        Attachment(plugin_id=second, config={"x": [1, {"y": None}]}),
        Attachment(plugin_id=first, is_active=False),
        Attachment(plugin_id=second, app_id=app_id),
    )
    made = await store.llms.create(llm(attachments=attachments), ADMIN)
    assert made.attachments == attachments
    assert (await store.llms.get(made.id)) == made
    turned = await store.set_attachments(made.id, attachments[::-1], ADMIN)
    assert (await store.llms.get(made.id)) == turned
    assert turned.attachments == attachments[::-1]
    other = await store.llms.create(llm("other"), ADMIN)
    links = [LlmLink(llm_id=other.id, monthly_budget_nanos=5), LlmLink(llm_id=made.id)]
    linked = await store.set_llm_links(app_id, links, ADMIN)
    assert linked.llms == tuple(links[::-1])
    assert await store.apps.get(app_id) == linked
    assert (await store.set_llm_links(app_id, [], ADMIN)).llms == ()


async def test_who_links_to_it_is_found(store: ControlStore) -> None:
    """``linked_to`` has each that links to an id once, by id, at most as many as asked for; prices link to nothing."""
    plugin_id = (await store.plugins.create(plugin(), ADMIN)).id
    twice = (Attachment(plugin_id=plugin_id), Attachment(plugin_id=plugin_id))
    llms = [await store.llms.create(llm(name, attachments=twice), ADMIN) for name in ("a", "b")]
    await store.llms.create(llm("c"), ADMIN)
    assert await store.llms.linked_to(plugin_id, 9) == llms
    assert await store.llms.linked_to(plugin_id, 1) == llms[:1]
    for entity_id in (plugin_id + 1, 0, 1 << 70):
        assert await store.llms.linked_to(entity_id, 9) == []
    assert await store.prices.linked_to(plugin_id, 9) == []


async def test_what_is_named_must_be_there(store: ControlStore) -> None:
    """A reference to nothing is refused by field and id, wherever it stands; an LLM does not fail over to itself."""
    llm_id = (await store.llms.create(llm(), ADMIN)).id
    app_id = (await store.apps.create(app(), ADMIN)).id
    for attempt, field in (
        (store.tokens.create(token(9), ADMIN), "app_id"),
        (store.set_llm_links(app_id, [LlmLink(llm_id=llm_id), LlmLink(llm_id=9)], ADMIN), "llms.llm_id"),
        (store.set_attachments(llm_id, [Attachment(plugin_id=9)], ADMIN), "attachments.plugin_id"),
        (store.llms.update(llm_id, {"failover_llm_ids": (9,)}, ADMIN), "failover_llm_ids"),
    ):
        with pytest.raises(UnknownReferenceError) as refused:
            await attempt
        assert (refused.value.field, refused.value.id) == (field, 9)
    with pytest.raises(InvalidError, match="itself"):
        await store.llms.update(llm_id, {"failover_llm_ids": (llm_id,)}, ADMIN)
    with pytest.raises(InvalidError, match="twice"):
        await store.set_llm_links(app_id, [LlmLink(llm_id=llm_id), LlmLink(llm_id=llm_id)], ADMIN)
    with pytest.raises(InvalidError, match="list of LlmLink"):
        await store.apps.update(app_id, {"llms": [llm_id]}, ADMIN)


async def test_vendor_keys_lie_encrypted_and_come_back_in_clear(store: ControlStore) -> None:
    """No stored byte of a vendor key is the key's; no key is stored as nothing; it can be taken away again."""
    made = await store.llms.create(llm(api_key="sk-very-secret"), ADMIN)
    assert (await store.llms.get(made.id)).api_key == "sk-very-secret"
    table = SPECS["llm"].table
    async with store.database.read() as connection:
        (stored,) = (await connection.execute(table.select())).mappings()
    assert len(stored["api_key_encrypted"]) > 30
    assert b"secret" not in bytes(stored["api_key_encrypted"])
    assert (await store.llms.update(made.id, {"api_key": ""}, ADMIN)).api_key == ""
    assert (await store.llms.get(made.id)).api_key == ""
