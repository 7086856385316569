"""Whoever must be kept alive is kept by a task of its own, from its load to its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from sluice.plugin_host.keeping import Keepers
from sluice.plugin_host.loaded import LoadedPlugin
from sluice.plugin_host.local import LocalPlugin
from sluice.plugin_host.registration import Instance, PluginRegistration
from sluice.sdk.testing import RecordingServices
from tests.sluice.plugin_host.plugins import NoHook


class Kept(LocalPlugin):
    """Says while it is kept; fails at it where it is told to."""

    def __init__(self, life: list[str], fails: bool) -> None:
        super().__init__(NoHook())
        self.life, self.fails = life, fails

    async def keep(self) -> None:
        self.life.append("kept")
        if self.fails:
            raise OSError("no process")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.life.append("left")


def loaded(life: list[str], *, fails: bool = False) -> LoadedPlugin:
    """A plugin of a host."""
    registration = PluginRegistration.model_validate({"id": 1, "name": "a", "command": "a.py"})
    running: Any = Kept(life, fails)
    return LoadedPlugin(
        instance=Instance("a", registration), registration=registration, running=running, services=RecordingServices()
    )


async def test_who_is_there_is_kept_and_who_comes_later_too() -> None:
    """Until it goes, or all do."""
    keepers, lives = Keepers(), [list[str]() for _ in range(3)]
    plugins = [loaded(life) for life in lives]
    keepers.begin(plugins[0])  # it does not run yet: nothing happens
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keepers.run(plugins[:2]))
        await asyncio.sleep(0)
        keepers.begin(plugins[2])
        keepers.begin(plugins[2])
        while lives != [["kept"]] * 3:  # noqa: ASYNC110 - a plugin's life
            await asyncio.sleep(0)
        await keepers.end(plugins[0])
        assert lives == [["kept", "left"], ["kept"], ["kept"]]
        running.cancel()
    assert lives == [["kept", "left"]] * 3
    await keepers.end(plugins[1])


async def test_one_that_cannot_be_kept_is_told_and_takes_nobody_along() -> None:
    """By name, with what it raised; it may still be ended."""
    keepers, good, bad = Keepers(), list[str](), list[str]()
    plugins = [loaded(bad, fails=True), loaded(good)]
    with capture_logs() as lines:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(keepers.run(plugins))
            while not (good and bad):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            await keepers.end(plugins[0])
            assert not running.done()
            running.cancel()
    assert [(line["event"], line["plugin"], line["error"]) for line in lines] == [
        ("plugin not kept any more", "a", "OSError: no process")
    ]
    assert good == ["kept", "left"]


async def test_one_that_ended_is_forgotten() -> None:
    """Another, that has its identity by chance, is kept too."""
    keepers, life = Keepers(), list[str]()
    plugin = loaded(life)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keepers.run([plugin]))
        while life != ["kept"]:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        await keepers.end(plugin)
        keepers.begin(plugin)
        async with asyncio.timeout(5):
            while life != ["kept", "left", "kept"]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        running.cancel()


async def test_a_host_that_ends_keeps_nobody() -> None:
    """What is loaded behind it is not begun with."""
    keepers, life = Keepers(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(keepers.run([]))
        await asyncio.sleep(0)
        running.cancel()
    keepers.begin(loaded(life))
    await asyncio.sleep(0)
    assert life == []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await keepers.run([])
