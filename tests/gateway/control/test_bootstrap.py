"""The first admin token: made once, kept where nobody else reads it, and good for what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.access.credentials import hash_token
from gateway.control.bootstrap import APP_ID, APP_NAME, TOKEN_FILE, bootstrap
from gateway.control.entities import Actor
from gateway.control.store import ControlStore
from tests.gateway.control.made import ADMIN, app, token


async def only_token(store: ControlStore) -> Any:
    """The one that there is."""
    (found,) = (await store.tokens.find()).items
    return found


async def test_a_database_that_nobody_can_manage_gets_a_token(store: ControlStore, tmp_path: Path) -> None:
    """Of every scope, of an app that has no LLM yet and may have; the file has it, the database its hash."""
    made = await bootstrap(store, tmp_path)
    assert made
    kept = await only_token(store)
    assert (kept.sha256, kept.prefix, kept.scopes) == (hash_token(made), made[:8], ("*",))
    assert (kept.managed_by, kept.is_active, kept.expires_at) == ("api", True, None)
    owner = await store.apps.get(kept.app_id)
    assert (owner.name, owner.owner_email, owner.llms, owner.is_active) == (APP_NAME, "admin@localhost", (), True)
    assert (tmp_path / TOKEN_FILE).read_text() == f"{made}\n"
    assert {entry.actor for entry in (await store.audit_entries()).items} == {"bootstrap"}


async def test_it_is_made_once(store: ControlStore, tmp_path: Path) -> None:
    """A second start says nothing and makes nothing; the file stays."""
    made = await bootstrap(store, tmp_path)
    assert await bootstrap(store, tmp_path) is None
    await only_token(store)
    assert (tmp_path / TOKEN_FILE).read_text() == f"{made}\n"


@pytest.mark.parametrize(("scopes", "is_made"), [(["api"], True), (["admin"], False), (["*"], False), ([], True)])
async def test_who_may_manage_is_asked_for(
    store: ControlStore, tmp_path: Path, scopes: list[str], is_made: bool
) -> None:
    """Tokens that only call LLMs do not count, however many there are."""
    owner = await store.apps.create(app(), ADMIN)
    await store.tokens.create(token(owner.id, "one"), ADMIN)
    await store.tokens.create(token(owner.id, "two", scopes=tuple(scopes)), ADMIN)
    assert bool(await bootstrap(store, tmp_path)) is is_made
    assert (tmp_path / TOKEN_FILE).exists() is is_made


async def test_a_revoked_token_is_not_replaced(store: ControlStore, tmp_path: Path) -> None:
    """Else a restart would undo what an operator did."""
    await bootstrap(store, tmp_path)
    await store.tokens.update((await only_token(store)).id, {"is_active": False}, ADMIN)
    assert await bootstrap(store, tmp_path) is None


@pytest.mark.parametrize("owner", [Actor("file"), Actor("bootstrap")])
async def test_an_app_of_its_name_is_used(store: ControlStore, tmp_path: Path, owner: Actor) -> None:
    """Of the file, or of a start that was cut between its two steps."""
    there = await store.apps.create(app(APP_NAME), owner)
    assert await bootstrap(store, tmp_path)
    assert (await only_token(store)).app_id == there.id


async def test_nobody_else_can_read_the_file(store: ControlStore, tmp_path: Path) -> None:
    """Also where one of its name was there, which others could read, or which led elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / TOKEN_FILE).symlink_to(elsewhere)
    await bootstrap(store, tmp_path / "data")
    file = tmp_path / "data" / TOKEN_FILE
    assert (file.is_symlink(), file.stat().st_mode & 0o777) == (False, 0o600)
    assert elsewhere.read_text() == "kept"
    assert [path.name for path in (tmp_path / "data").iterdir()] == [TOKEN_FILE]


@pytest.mark.parametrize("taken", [(), (1, 2), (APP_ID,)])
async def test_the_file_s_apps_may_go_on_counting(store: ControlStore, tmp_path: Path, taken: tuple[int, ...]) -> None:
    """An app that nobody asked for must not have the id of the file's next one; nor must those made later."""
    for app_id in taken:
        await store.apps.create(app(f"app {app_id}", id=app_id), Actor("file"))
    await bootstrap(store, tmp_path)
    later = await store.apps.create(app("later"), ADMIN)
    assert later.id > (await only_token(store)).app_id >= APP_ID
