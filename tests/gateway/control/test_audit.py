"""The audit: an entry for each entity that a change touched, with nothing secret in it."""

from __future__ import annotations

from gateway.control.audit import masked
from gateway.control.entities import Actor, Attachment, LlmEntity, LlmLink
from gateway.control.store import ControlStore
from tests.gateway.control.made import ADMIN, app, app_with_token, llm, plugin, sha256


async def test_every_change_says_who_did_what(store: ControlStore) -> None:
    """Making, changing and deleting leave an entry each: actor, token, moment, before and after; the newest first."""
    made = await store.apps.create(app(metadata={"team": "x"}), ADMIN)
    changed = await store.apps.update(made.id, {"description": "d"}, Actor("command"))
    await store.apps.delete(made.id, ADMIN)
    page = await store.audit_entries()
    deleted, updated, created = page.items
    assert page.total == 3
    assert [entry.action for entry in page.items] == ["delete", "update", "create"]
    assert [entry.actor for entry in page.items] == [ADMIN.name, "command", ADMIN.name]
    assert [entry.token_id for entry in page.items] == [7, None, 7]
    assert (created.before, deleted.after) == (None, None)
    assert (created.after, updated.before) == (updated.before, created.after)
    assert updated.after == deleted.before
    assert (updated.after or {})["description"] == "d"
    assert (created.after or {})["metadata"] == {"team": "x"}
    assert updated.at == changed.updated_at


async def test_pages_are_of_a_kind_or_an_entity(store: ControlStore) -> None:
    """A page may be of one kind, or of one entity of it; its total is of what was asked for."""
    app_id, token_id = await app_with_token(store)
    await store.llms.create(llm(), ADMIN)
    assert (await store.audit_entries(kind="token")).items == (await store.audit_entries(1, 9, "token", token_id)).items
    assert (await store.audit_entries(kind="app", entity_id=app_id + 1)).total == 0
    first, second = [(await store.audit_entries(page, 2)).items for page in (1, 2)]
    assert [entry.kind for entry in (*first, *second)] == ["llm", "token", "app"]


async def test_no_secret_is_in_the_audit(store: ControlStore) -> None:
    """Vendor keys are ``***`` where there is one, so are credentials in URLs and in configs; hashes are not there."""
    await app_with_token(store, "text")
    made = await store.llms.create(llm(api_key="hush-1", endpoint="https://u:hush-2@host/v1"), ADMIN)
    await store.llms.update(made.id, {"api_key": "hush-3"}, ADMIN)
    await store.llms.update(made.id, {"api_key": "env:HUSH"}, ADMIN)
    config = {"api_key": "hush-4", "nested": [{"clientSecret": "hush-5", "max_tokens": 3}]}
    shield = await store.plugins.create(plugin(config=config), ADMIN)
    await store.set_attachments(made.id, [Attachment(plugin_id=shield.id, config={"token": "hush-6"})], ADMIN)
    entries = (await store.audit_entries(1, 100)).items
    assert "hush" not in str(entries).lower()
    assert sha256("text") not in str(entries)
    assert "sha256" not in str(entries)
    after = entries[1].after or {}
    assert after["config"] == {"api_key": "***", "nested": [{"clientSecret": "***", "max_tokens": 3}]}
    assert after["name"] == "shield"
    key_changes = [entry for entry in entries if entry.kind == "llm" and entry.action == "update"]
    assert [(entry.after or {})["api_key"] for entry in key_changes] == ["***"] * 3


async def test_what_else_was_touched_is_audited_too(store: ControlStore) -> None:
    """A deletion that takes tokens along and changes apps leaves an entry for each of them."""
    llm_id = (await store.llms.create(llm(), ADMIN)).id
    app_id, token_id = await app_with_token(store)
    await store.set_llm_links(app_id, [LlmLink(llm_id=llm_id)], ADMIN)
    await store.llms.delete(llm_id, ADMIN)
    deleted, changed = (await store.audit_entries(1, 2)).items
    assert (deleted.kind, deleted.action, changed.kind, changed.action) == ("llm", "delete", "app", "update")
    await store.apps.delete(app_id, ADMIN)
    gone = (await store.audit_entries(1, 2)).items
    assert {(entry.kind, entry.entity_id, entry.action) for entry in gone} == {
        ("app", app_id, "delete"),
        ("token", token_id, "delete"),
    }


def test_what_is_not_set_is_not_masked() -> None:
    """An LLM without a key shows that it has none; an entity that is not there has nothing to show."""
    made = LlmEntity(id=1, slug="a", name="a", vendor="openai", endpoint="https://host/v1")
    assert (masked("llm", made) or {})["api_key"] == ""
    assert (masked("llm", made) or {})["endpoint"] == "https://host/v1"
    assert masked("llm", None) is None
