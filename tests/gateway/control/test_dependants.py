"""What a deletion takes along and what it changes, kind by kind."""

from __future__ import annotations

from gateway.control.dependants import by_kind, find_parts, find_referring, without
from gateway.control.entities import AppEntity, Attachment, LlmEntity, LlmLink
from gateway.control.specs import APP, LLM, PLUGIN, PRICE, SPECS, TOKEN
from gateway.control.store import ControlStore
from tests.gateway.control.made import ADMIN, app_with_token, llm, plugin


async def test_parts_go_with_their_whole(store: ControlStore) -> None:
    """Tokens are parts of their app; nothing else is part of anything, and nothing of nothing."""
    app_id, token_id = await app_with_token(store)
    await app_with_token(store, "other")
    doomed = by_kind() | {"app": {app_id}}
    async with store.database.read() as connection:
        found = {kind: await find_parts(connection, spec, doomed) for kind, spec in SPECS.items()}
        assert found == by_kind() | {"token": {token_id}}
        assert await find_parts(connection, TOKEN, by_kind()) == set()
        assert await find_parts(connection, TOKEN, doomed | {"token": {token_id}}) == set()


async def test_who_refers_stays_and_is_found(store: ControlStore) -> None:
    """Links and lists are looked through; who is deleted too is not among those that stay."""
    first, second = [(await store.llms.create(llm(name), ADMIN)).id for name in ("a", "b")]
    plugin_id = (await store.plugins.create(plugin(), ADMIN)).id
    app_id, _ = await app_with_token(store)
    await store.llms.update(second, {"failover_llm_ids": (first,)}, ADMIN)
    await store.set_attachments(first, [Attachment(plugin_id=plugin_id, app_id=app_id)], ADMIN)
    await store.set_llm_links(app_id, [LlmLink(llm_id=first)], ADMIN)
    async with store.database.read() as connection:
        doomed = by_kind() | {"llm": {first}}
        assert await find_referring(connection, LLM, doomed) == {second}
        assert await find_referring(connection, APP, doomed) == {app_id}
        assert await find_referring(connection, LLM, by_kind() | {"plugin": {plugin_id}}) == {first}
        assert await find_referring(connection, LLM, by_kind() | {"app": {app_id}}) == {first}
        assert await find_referring(connection, LLM, by_kind() | {"llm": {first, second}}) == set()
        for spec in (PLUGIN, PRICE, TOKEN):
            assert await find_referring(connection, spec, doomed) == set()


def test_without_leaves_the_rest_in_order() -> None:
    """Only what names the deleted is taken out; the order of the rest stays."""
    doomed = by_kind() | {"llm": {2}, "plugin": {5}, "app": {8}}
    attachments = (
        Attachment(plugin_id=6),
        Attachment(plugin_id=5),
        Attachment(plugin_id=4, app_id=8),
        Attachment(plugin_id=4, app_id=9),
    )
    made = LlmEntity(
        id=1, slug="a", name="a", vendor="openai", endpoint="https://h/v1", failover_llm_ids=(3, 2, 1),
        attachments=attachments,
    )  # fmt: skip
    left = without(LLM, made, doomed)
    assert isinstance(left, LlmEntity)
    assert (left.failover_llm_ids, left.attachments) == ((3, 1), (attachments[0], attachments[3]))
    linked = AppEntity(id=1, name="a", llms=(LlmLink(llm_id=1), LlmLink(llm_id=2)))
    assert without(APP, linked, doomed) == AppEntity(id=1, name="a", llms=(LlmLink(llm_id=1),))
