"""What must hold between entities, and how it is said where it does not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.control.checks import check_id, check_price_names, check_references, check_unique
from gateway.control.entities import AppEntity, LlmEntity, LlmLink, PriceEntity, TokenEntity
from gateway.control.errors import DuplicateError, InvalidError, UnknownReferenceError
from gateway.control.specs import APP, LLM, PRICE, TOKEN
from gateway.control.store import ControlStore
from tests.gateway.control.made import ADMIN, app_with_token, price, sha256


async def test_a_hash_that_is_taken_is_not_shown(store: ControlStore) -> None:
    """The error for a token that is there already names the field and shows no part of the hash."""
    app_id, token_id = await app_with_token(store, "text")
    async with store.database.read() as connection:
        same = TokenEntity(id=0, app_id=app_id, sha256=sha256("text"))
        with pytest.raises(DuplicateError, match="sha256") as refused:
            await check_unique(connection, TOKEN, same)
        assert sha256("text")[:6] not in f"{refused.value} {refused.value.value}"
        await check_unique(connection, TOKEN, await store.tokens.get(token_id))


async def test_fields_that_are_unique_together_are_compared_together(store: ControlStore) -> None:
    """A price is refused where vendor, model and moment are another's, not where two of them are."""
    made = await store.prices.create(price("m", valid_from=5), ADMIN)
    nanos: dict[str, Any] = {"prompt_nanos": 1, "response_nanos": 1, "cache_read_nanos": 1, "cache_write_nanos": 1}
    async with store.database.read() as connection:
        for valid_from, model_name in ((6, "m"), (5, "n")):
            other = PriceEntity(id=0, key="x", vendor="openai", model_name=model_name, valid_from=valid_from, **nanos)
            await check_unique(connection, PRICE, other)
        other = PriceEntity(id=0, key="x", vendor="openai", model_name="m", valid_from=5, **nanos)
        with pytest.raises(DuplicateError, match="valid_from: 'openai/m/5'"):
            await check_unique(connection, PRICE, other)
        with pytest.raises(DuplicateError, match="id: 1"):
            await check_id(connection, PRICE, made)


NAMES = ("a%b", 'quo"te', "ü", "a\\b", "glob-*")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"model_name": "first"}, "model_name: 'openai/first'"),
        ({"model_name": "x", "aliases": ("y", "m")}, "aliases: 'openai/m'"),
        ({"model_name": "x", "aliases": ("first",)}, "aliases: 'openai/first'"),
        *(({"model_name": name}, "model_name: ") for name in NAMES),
        *(({"model_name": "x", "aliases": (name,)}, "aliases: ") for name in NAMES),
        ({"model_name": "x"}, ""),
        ({"model_name": "firs", "aliases": ("irst", "a_b", "u", "glob-x")}, ""),
        ({"model_name": "first", "vendor": "azure"}, ""),
        ({"model_name": "first", "valid_from": 6}, ""),
    ],
)
async def test_no_two_prices_have_a_name_in_common(store: ControlStore, values: dict[str, Any], field: str) -> None:
    """Of one vendor from one moment, as a model or as an alias of one: in the letters that they have, and no more."""
    made = await store.prices.create(price("m", valid_from=5, aliases=["first", *NAMES]), ADMIN)
    nanos: dict[str, Any] = {"prompt_nanos": 1, "response_nanos": 1, "cache_read_nanos": 1, "cache_write_nanos": 1}
    other = PriceEntity(**{"id": 0, "key": "x", "vendor": "openai", "valid_from": 5, **nanos, **values})
    async with store.database.read() as connection:
        await check_price_names(connection, made)
        if not field:
            await check_price_names(connection, other)
            return
        with pytest.raises(DuplicateError, match=re.escape(field)):
            await check_price_names(connection, other)


async def test_a_price_that_is_made_or_changed_keeps_to_its_own_names(store: ControlStore) -> None:
    """Refused, and nothing changed; a change of something else passes."""
    first = await store.prices.create(price("m", aliases=["n"]), ADMIN)
    with pytest.raises(DuplicateError, match="belongs to another price"):
        await store.prices.create(price("n"), ADMIN)
    second = await store.prices.create(price("o"), ADMIN)
    with pytest.raises(DuplicateError, match="aliases: 'openai/n'"):
        await store.prices.update(second.id, {"aliases": ["n"]}, ADMIN)
    with pytest.raises(DuplicateError, match="aliases: 'openai/o'"):
        await store.prices.update(first.id, {"aliases": ["n", "o"]}, ADMIN)
    assert (await store.prices.update(first.id, {"aliases": ["n", "p"]}, ADMIN)).aliases == ("n", "p")
    assert (await store.prices.get(second.id)).aliases == ()


async def test_only_what_changes_is_looked_up(store: ControlStore) -> None:
    """A reference that stays as it was is not asked for again; a new one must be there."""
    before = AppEntity(id=1, name="a", llms=(LlmLink(llm_id=99),))
    async with store.database.read() as connection:
        await check_references(connection, APP, before, before)
        with pytest.raises(UnknownReferenceError, match=r"llms\.llm_id: there is none with id 99"):
            await check_references(connection, APP, before)


async def test_an_llm_is_no_failover_of_its_own(store: ControlStore) -> None:
    """An LLM that fails over to itself is refused before anything is looked up."""
    itself = LlmEntity(id=4, slug="a", name="a", vendor="openai", endpoint="https://h/v1", failover_llm_ids=(4,))
    async with store.database.read() as connection:
        with pytest.raises(InvalidError, match="names the llm itself"):
            await check_references(connection, LLM, itself)
