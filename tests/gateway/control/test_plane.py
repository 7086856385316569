"""A worker's share of managing: from the database to the snapshot, and to the end of its plugins."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.control.bootstrap import APP_NAME
from gateway.control.opening import prepare
from gateway.control.plane import open_plane
from gateway.settings import Settings
from gateway.snapshot import PresentPrices
from sluice.clock import now_micros
from sluice.plugin_host.errors import PluginLoadError
from sluice.sdk import BasePlugin, Context, PluginRequest, PluginResponse, PreAuthHandler
from sluice.settings import load_settings
from tests.gateway.control.made import ADMIN, llm
from tests.integration.waiting import until

LIVES: list[str] = []
SECONDS = 20.0


class Living(BasePlugin, PreAuthHandler):
    """Says when it lives."""

    async def initialize(self, ctx: Context, config: Any) -> None:
        LIVES.append("begins")
        if config.get("fails"):
            raise ValueError("no database")

    async def shutdown(self, ctx: Context) -> None:
        LIVES.append("ends")

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return PluginResponse.allow()


def config_of(folder: Path, **config: Any) -> Path:
    """The settings file of a gateway with two LLMs, one of them with a plugin."""
    LIVES.clear()
    path = folder / "sluice.yaml"
    plugin = {"id": 1, "name": "living", "command": f"python://{__name__}:Living", "config": config}
    llms = [
        {"id": 1, "slug": "plain", "base_url": "http://a", "api_key": "file:key"},
        {"id": 2, "slug": "guarded", "base_url": "http://b", "plugins": ["living"]},
    ]
    path.write_text(yaml.safe_dump({"data_dir": str(folder / "data"), "llms": llms, "plugins": [plugin]}))
    return path


async def prepared(config: Path) -> Settings:
    """Its settings, once its database is there."""
    settings = load_settings(config, Settings)
    await prepare(settings)
    return settings


async def test_a_worker_serves_by_the_database(tmp_path: Path) -> None:
    """What was made over the API too; keys are found beside the file; an LLM comes with its plugins, or not at all."""
    (tmp_path / "key").write_text("vendor-key\n")
    config = config_of(tmp_path)
    settings = await prepared(config)
    async with open_plane(settings, config, list) as plane:
        await plane.store.llms.create(llm("third"), ADMIN)
    async with open_plane(settings, config, list) as plane:
        assert sorted(plane.snapshots.get().llms_by_slug) == ["plain", "third"]
        await plane.start_plugins()
        snapshot = plane.snapshots.get()
        assert sorted(snapshot.llms_by_slug) == ["guarded", "plain", "third"]
        assert snapshot.llms_by_slug["guarded"].chains.pre_auth
        assert snapshot.llms_by_slug["plain"].authorization == [(b"authorization", b"Bearer vendor-key")]
        assert [app.name for app in snapshot.apps.values()] == [APP_NAME]
        assert LIVES == ["begins"]
    assert LIVES == ["begins", "ends"]


async def test_while_it_runs_changes_arrive(tmp_path: Path) -> None:
    """Those of the file, through the database, as any other."""
    config = config_of(tmp_path)
    settings = await prepared(config)
    async with open_plane(settings, config, list) as plane:
        await plane.start_plugins()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(plane.run())
            config.write_text(config.read_text().replace("slug: plain", "slug: renamed"))
            await until(lambda: "renamed" in plane.snapshots.get().llms_by_slug, SECONDS, "the file's change is served")
            running.cancel()


async def test_a_plugin_of_the_file_that_cannot_start_stops_the_worker(tmp_path: Path) -> None:
    """By name; nothing of it lives on."""
    config = config_of(tmp_path, fails=True)
    settings = await prepared(config)
    with pytest.raises(PluginLoadError, match=r"'living'.*no database"):
        async with open_plane(settings, config, list) as plane:
            await plane.start_plugins()
    assert LIVES == ["begins", "ends"]


@pytest.mark.parametrize(("base", "price_id"), [("genai-prices", "base:openai/gpt-4o"), ("none", None)])
async def test_a_model_that_nobody_priced_has_the_published_price(
    base: str, price_id: str | None, tmp_path: Path
) -> None:
    """Unless the settings want none; recovery finds it by its id."""
    settings = await prepared(config_of(tmp_path))
    settings = settings.model_copy(update={"prices_base": base})
    async with open_plane(settings, tmp_path / "sluice.yaml", list) as plane:
        prices = PresentPrices(plane.snapshots)
        found = prices.find("openai", "gpt-4o", now_micros())
        by_id = prices.by_id("base:openai/gpt-4o")
        assert [price.id if price else None for price in (found, by_id)] == [price_id, price_id]
