"""Apps: those that are served, described as the control database has them, read once each."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sluice.sdk.errors import NotFound, ServiceError, ServiceUnavailable
from tests.gateway.control.made import ADMIN
from tests.gateway.plugin_services.making import Worker


async def test_an_app_is_read_once_and_anew_when_it_changes(worker: Worker) -> None:
    """A plugin that asks at every exchange costs the database two questions, until something is changed."""
    app_id = await worker.app(owner_email="o@x.org", metadata={"plan": "gold"})
    services = worker.gateway()
    found = await services.get_app(app_id)
    assert (found.owner_email, found.metadata, found.name) == ("o@x.org", {"plan": "gold"}, "shop")
    asked = worker.queries
    assert await services.get_app(app_id) is found
    assert await worker.gateway(8, "p8").get_app(app_id) is found
    assert worker.queries == asked > 0
    await worker.store.apps.update(app_id, {"metadata": {"plan": "none"}}, ADMIN)
    await worker.refresh()
    assert (await services.get_app(app_id)).metadata == {"plan": "none"}


async def test_other_changes_leave_it_remembered(worker: Worker) -> None:
    """A snapshot that is swapped for another reason costs nothing."""
    app_id = await worker.app()
    found = await worker.gateway().get_app(app_id)
    await worker.llm()
    assert await worker.gateway().get_app(app_id) is found


@pytest.mark.parametrize("app_id", [0, -1, 999, 1 << 80, "1", None, 1.5, [], True])
async def test_unknown_ids_ask_nobody(worker: Worker, app_id: Any) -> None:
    """Whatever a plugin takes for one: the database hears nothing of a flood of them."""
    worker.queries = 0
    with pytest.raises(NotFound):
        await worker.gateway().get_app(app_id)
    assert worker.queries == 0


async def test_one_that_is_deleted_is_unknown_at_once(worker: Worker) -> None:
    """Though it was remembered."""
    app_id = await worker.app()
    await worker.gateway().get_app(app_id)
    await worker.store.apps.delete(app_id, ADMIN)
    await worker.refresh()
    with pytest.raises(NotFound):
        await worker.gateway().get_app(app_id)


async def test_lists_have_pages_and_filters(worker: Worker) -> None:
    """By id; the active ones unless others are asked for."""
    ids = [await worker.app(name=f"a{number}", is_active=number != 1) for number in range(5)]
    services = worker.gateway()
    assert [app.id for app in await services.list_apps()] == [ids[0], *ids[2:]]
    assert [app.id for app in await services.list_apps(2, 2, is_active=None)] == ids[2:4]
    assert [app.id for app in await services.list_apps(is_active=False)] == [ids[1]]
    assert await services.list_apps(99) == []
    assert [await services.count_apps(is_active=which) for which in (True, False, None)] == [4, 1, 5]


@pytest.mark.parametrize(("page", "limit"), [(0, 10), (1, 0), (1, 1001), (-1, 1)])
async def test_pages_that_cannot_be_are_refused(worker: Worker, page: int, limit: int) -> None:
    """As a service error."""
    with pytest.raises(ServiceError):
        await worker.gateway().list_apps(page, limit)


async def test_a_database_that_is_away_is_said_so(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is still known."""
    known, unknown = await worker.app(), await worker.app(name="b")
    await worker.gateway().get_app(known)
    monkeypatch.setattr("gateway.control.repository.read_entities", lambda *_: asyncio.sleep(60))
    apps: Any = worker.gateway()._view.apps  # type: ignore[attr-defined]
    apps._ask._seconds = 0.05
    assert (await worker.gateway().get_app(known)).id == known
    with pytest.raises(ServiceUnavailable):
        await worker.gateway().get_app(unknown)
