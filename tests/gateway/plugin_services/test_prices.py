"""Prices: the row that an exchange of now is charged by."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.clock import now_micros
from sluice.sdk.errors import NotFound
from tests.gateway.control.made import ADMIN, price
from tests.gateway.plugin_services.making import Worker


async def made(worker: Worker, model: str, **values: Any) -> int:
    """A price that holds."""
    found = await worker.store.prices.create(price(model, **values), ADMIN)
    await worker.refresh()
    return found.id


async def test_the_row_is_the_one_that_is_charged(worker: Worker) -> None:
    """The exact name before a pattern, the newest that has begun before one that has not."""
    exact = await made(worker, "gpt-4o")
    newer = await made(worker, "gpt-4o", prompt_nanos=9, valid_from=now_micros() - 1)
    await made(worker, "gpt-4o", prompt_nanos=99, valid_from=now_micros() + 10**12)
    pattern = await made(worker, "gpt-*")
    services = worker.gateway()
    assert (await services.get_model_price("gpt-4o", "openai")).id == newer != exact
    found = await services.get_model_price("gpt-5", "openai")
    assert (found.id, found.model_name) == (pattern, "gpt-*")
    row = worker.snapshots.get().prices.find("openai", "gpt-5", now_micros())
    assert row is not None
    assert found.key == row.id
    assert found.created_at > 0


async def test_the_list_has_what_holds_now(worker: Worker) -> None:
    """One row for each model, of one vendor or of all."""
    await made(worker, "a")
    newer = await made(worker, "a", prompt_nanos=9, valid_from=5)
    other = await made(worker, "b", vendor="anthropic")
    await made(worker, "c", valid_from=now_micros() + 10**12)
    services = worker.gateway()
    assert [row.id for row in await services.list_model_prices()] == [other, newer]
    assert [row.id for row in await services.list_model_prices("openai")] == [newer]
    assert await services.list_model_prices("nobody") == []


async def test_the_price_list_is_read_once_and_anew_when_it_changes(worker: Worker) -> None:
    """However often it is asked for."""
    await made(worker, "a")
    services = worker.gateway()
    await services.get_model_price("a", "openai")
    asked = worker.queries
    for _ in range(10):
        await services.get_model_price("a", "openai")
        await services.list_model_prices()
    assert worker.queries == asked
    changed = await made(worker, "a", prompt_nanos=9, valid_from=5)
    assert (await services.get_model_price("a", "openai")).id == changed


@pytest.mark.parametrize(
    ("model", "vendor"), [("x", "openai"), ("a", "x"), ("", ""), (None, "openai"), ("a", 1), ([], {})]
)
async def test_what_has_no_price_is_not_found(worker: Worker, model: Any, vendor: Any) -> None:
    """Whatever a plugin asks for; the database hears nothing of it."""
    await made(worker, "a")
    worker.queries = 0
    with pytest.raises(NotFound):
        await worker.gateway().get_model_price(model, vendor)
    assert worker.queries == 0


async def test_more_prices_than_a_page(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages are read."""
    monkeypatch.setattr("gateway.plugin_services.prices.MAX_LIMIT", 2)
    for model in "abcde":
        await made(worker, model)
    assert len(await worker.gateway().list_model_prices()) == 5
