"""What the console makes when it is first asked for."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import httpx
import pytest

from gateway.console import application, dashboards
from gateway.console.assets import Assets
from gateway.console.lazily import Lazily
from sluice.eventstore.dashboards.definitions import Dashboard, load_dashboards
from tests.gateway.console.running import BASE, running


async def test_it_is_made_once_and_not_on_the_loop() -> None:
    """In another thread; whoever asks later gets the same."""
    made: list[threading.Thread] = []

    def make() -> object:
        made.append(threading.current_thread())
        return object()

    thing = Lazily(make)
    assert not thing.is_made
    first = await thing.get()
    assert list(await asyncio.gather(thing.get(), thing.get())) == [first, first]
    assert len(made) == 1
    assert made[0] is not threading.current_thread()


async def test_who_asks_while_it_is_made_gets_the_same() -> None:
    """A second would be dropped, with whatever it has open."""
    begun, made = threading.Barrier(2, timeout=30), list[object]()

    def make() -> object:
        made.append(object())
        begun.wait()
        return made[-1]

    thing = Lazily(make)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(thing.get()) for _ in range(3)]
        await asyncio.to_thread(begun.wait)
    assert [task.result() for task in asked] == [made[0]] * 3
    assert len(made) == 1


async def test_a_worker_starts_without_reading_or_packing_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither files nor dashboards, as long as nobody opens the console; then both, by the first who does."""
    files: Lazily[Assets] = Lazily(Assets)
    defined: Lazily[tuple[Dashboard, ...]] = Lazily(load_dashboards)
    monkeypatch.setattr(application.build_console, "__defaults__", (files,))
    monkeypatch.setattr(dashboards, "DEFINED", defined)
    async with running(tmp_path) as console:
        at_the_start = (files.is_made, defined.is_made)
        async with console.client() as client:
            assert (await client.get(f"{BASE}/console/")).status_code == httpx.codes.OK
            assert (await client.get("dashboards")).json()["dashboards"]
    assert (at_the_start, files.is_made, defined.is_made) == ((False, False), True, True)
