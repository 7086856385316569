"""The control side's services: what the control database has, active or not."""

from __future__ import annotations

import inspect

import pytest

from gateway.plugin_services.studio import PluginStudio
from sluice.sdk.errors import NotFound, ServiceError
from sluice.sdk.services import StudioServices
from tests.gateway.plugin_services.making import Worker


def test_every_method_is_there_with_its_parameters() -> None:
    """What the sdk promises."""
    for name, promised in inspect.getmembers(StudioServices, inspect.isfunction):
        if not name.startswith("_"):
            own = inspect.signature(getattr(PluginStudio, name))
            assert own.parameters.keys() == inspect.signature(promised).parameters.keys(), name


async def test_it_tells_what_the_database_has(worker: Worker) -> None:
    """Whole, by id, a page at a time; never a key."""
    apps = [await worker.app(name=f"a{number}", is_active=bool(number)) for number in range(3)]
    llms = [await worker.llm(f"l{number}", api_key="sk-secret-key") for number in range(3)]
    studio = worker.studio()
    assert [app.id for app in await studio.list_apps()] == apps
    assert [app.id for app in await studio.list_apps(2, 2)] == apps[2:]
    assert [llm.id for llm in await studio.list_llms(1, 2)] == llms[:2]
    assert (await studio.get_app(apps[0])).name == "a0"
    found = await studio.get_llm(llms[0])
    assert found.has_api_key
    assert "sk-secret-key" not in repr(found)


async def test_unknown_ids_are_not_found(worker: Worker) -> None:
    """And pages that cannot be are refused, as service errors."""
    for unknown in (0, 999, -1):
        with pytest.raises(NotFound):
            await worker.studio().get_app(unknown)
        with pytest.raises(NotFound):
            await worker.studio().get_llm(unknown)
    with pytest.raises(ServiceError):
        await worker.studio().list_apps(0)
