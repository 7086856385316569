"""Counts and names come from the database as it is now."""

from __future__ import annotations

from typing import Any

from gateway.control.api.reference.figures import TokenCounts, llm_names, token_counts
from gateway.control.store import ControlStore
from sluice.clock import now_micros
from tests.gateway.control.made import ADMIN, app, llm, token


async def test_tokens_are_counted_by_what_they_are_good_for(store: ControlStore) -> None:
    """An inactive one is neither active nor expired."""
    assert await token_counts(store.database) == TokenCounts(0, 0, 0, 0)
    ids = [(await store.apps.create(app(name), ADMIN)).id for name in ("a", "b", "c")]
    now = now_micros()
    kinds: tuple[dict[str, Any], ...] = ({}, {"expires_at": now + 10**9}, {"expires_at": now - 1}, {"is_active": False})
    for number, values in enumerate(kinds):
        await store.tokens.create(token(ids[number % 2], f"t{number}", **values), ADMIN)
    assert await token_counts(store.database) == TokenCounts(total=4, active=2, expired=1, apps=2)


async def test_names_are_of_llms_that_are_there(store: ControlStore) -> None:
    """Others are left out; of none there is none."""
    made = await store.llms.create(llm("one"), ADMIN)
    assert await llm_names(store.database, {made.id, 99}) == {made.id: "ONE"}
    assert await llm_names(store.database, set()) == {}
