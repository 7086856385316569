"""What the control API of a worker stands on: the worker's own snapshot, store, plugins and event store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.control.api.reference.renderer import ReferenceRenderer
from gateway.control.api.renderer import CleanRenderer
from gateway.control.api.services import ControlServices
from gateway.control.opening import prepare
from gateway.control.plane import ControlPlane, open_plane
from gateway.control.serving import identity_of, open_services
from gateway.settings import Settings
from sluice.settings import load_settings
from tests.gateway.control.made import ADMIN, app, llm, token


@asynccontextmanager
async def served(folder: Path, **sections: Any) -> AsyncIterator[tuple[ControlPlane, ControlServices]]:
    """A worker's plane and the services made of it."""
    config = folder / "sluice.yaml"
    config.write_text(yaml.safe_dump({"data_dir": str(folder / "data"), **sections}))
    settings = load_settings(config, Settings)
    await prepare(settings)
    async with open_plane(settings, config, list) as plane, open_services(settings, plane, 7) as services:
        yield plane, services


async def test_a_change_is_served_when_its_maker_is_answered(tmp_path: Path) -> None:
    """``refresh`` is awaited between the commit and the answer: then this worker knows the LLM."""
    async with served(tmp_path) as (plane, services):
        await plane.start_plugins()
        await services.store.llms.create(llm("fresh"), ADMIN)
        assert "fresh" not in plane.snapshots.get().llms_by_slug
        await services.refresh()
        assert "fresh" in plane.snapshots.get().llms_by_slug


async def test_a_token_is_known_by_the_present_snapshot(tmp_path: Path) -> None:
    """Its app, its scopes, its name; unknown, without an app or of an inactive one it is nobody's."""
    async with served(tmp_path) as (plane, services):
        owner = await services.store.apps.create(app("shop", allowed_ips=("10.0.0.0/8",)), ADMIN)
        made = await services.store.tokens.create(token(owner.id, "open sesame", scopes=("admin",)), ADMIN)
        assert services.authenticate("open sesame") is None
        await services.refresh()
        identity = services.authenticate("open sesame")
        assert identity is not None
        assert (identity.token_id, identity.app_id, identity.scopes) == (made.id, owner.id, ("admin",))
        assert [str(network) for network in identity.allowed_ips] == ["10.0.0.0/8"]
        assert services.authenticate("") is services.authenticate("something else") is None
        await services.store.apps.update(owner.id, {"is_active": False}, ADMIN)
        await services.refresh()
        assert identity_of("open sesame", plane) is None


@pytest.mark.parametrize(("dialect", "renderer"), [("clean", CleanRenderer), ("reference", ReferenceRenderer)])
async def test_the_dialect_is_the_settings_(tmp_path: Path, dialect: str, renderer: type) -> None:
    """One renderer says everything, the one that ``control.dialect`` names."""
    async with served(tmp_path, control={"dialect": dialect}) as (_, services):
        assert type(services.renderer) is renderer


async def test_events_are_read_where_they_are_written(tmp_path: Path) -> None:
    """By default the events database beside the journals; an Elasticsearch where one is named."""
    async with served(tmp_path) as (_, services):
        assert (await services.events.llm_stats(1)).requests == 0
        assert not (tmp_path / "data" / "events.db").exists()
    elsewhere = {"events": {"elasticsearch_url": "http://127.0.0.1:1"}}
    async with served(tmp_path, control=elsewhere) as (_, services):
        assert type(services.events).__name__ == "ElasticsearchPanels"
