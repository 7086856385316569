"""Several services as one."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from sluice.dev.children import ChildError
from sluice.dev.services import Services
from tests.sluice.dev.standins import dying, has_ended, pid_of, standin, until


async def test_services_end_one_after_another_in_their_order(tmp_path: Path) -> None:
    """The second is asked when the first has drained, however long each takes."""
    specs = [standin(tmp_path, "first", drain_seconds=0.3), standin(tmp_path, "second")]
    services = Services(specs, tmp_path, tmp_path / "logs", lambda _: None)
    await services.start()
    await services.stop()
    assert (tmp_path / "ended").read_text() == "first\nsecond\n"


async def test_a_service_that_must_be_killed_is_named(tmp_path: Path) -> None:
    """And the next one still gets its time."""
    told: list[str] = []
    specs = [standin(tmp_path, "slow", drain_seconds=600, stop_seconds=0.1), standin(tmp_path, "quick")]
    services = Services(specs, tmp_path, tmp_path / "logs", told.append)
    await services.start()
    await services.stop()
    assert told == ["the slow took longer than 0.1 s and was killed"]
    assert (tmp_path / "ended").read_text() == "quick\n"


async def test_one_that_cannot_start_ends_the_start_of_all(tmp_path: Path) -> None:
    """The error names it; what did start is ended by ``stop``."""
    services = Services([standin(tmp_path, "good"), dying("bad")], tmp_path, tmp_path / "logs", lambda _: None)
    with pytest.raises(ExceptionGroup) as caught:
        await services.start()
    assert caught.group_contains(ChildError, match="the bad ended")
    await services.stop()
    assert not any(child.is_running for child in services.children)


async def test_no_service_is_started_where_one_port_is_taken(tmp_path: Path) -> None:
    """Otherwise a second run would disturb the first one's journals."""
    running = Services([standin(tmp_path, "running")], tmp_path, tmp_path / "logs", lambda _: None)
    await running.start()
    specs = [standin(tmp_path, "new"), standin(tmp_path, "late", port=running.children[0].spec.port)]
    services = Services(specs, tmp_path, tmp_path / "logs", lambda _: None)
    with pytest.raises(ChildError, match="taken"):
        await services.start()
    assert not (tmp_path / "new.pid").exists()
    await running.stop()


async def test_what_dies_is_started_again_and_logs_are_followed_meanwhile(tmp_path: Path) -> None:
    """Lines carry their service's name."""
    told: list[str] = []
    services = Services([standin(tmp_path, "one"), standin(tmp_path, "two")], tmp_path, tmp_path / "logs", told.append)
    async with asyncio.TaskGroup() as tasks:
        beside = [tasks.create_task(services.follow())]
        await services.start()
        beside.append(tasks.create_task(services.watch()))
        os.kill(pid_of(tmp_path, "two"), signal.SIGKILL)
        await until(lambda: services.children[1].restarts == 1)
        await until(lambda: told.count("       two | two serves with nothing") == 2)
        for task in beside:
            task.cancel()
    assert told.count("       one | one serves with nothing") == 1
    await services.stop()


async def test_all_can_be_killed_at_once(tmp_path: Path) -> None:
    """Nothing is left, nothing drained."""
    services = Services([standin(tmp_path, drain_seconds=600)], tmp_path, tmp_path / "logs", lambda _: None)
    await services.start()
    pid = pid_of(tmp_path)
    services.kill()
    assert has_ended(pid)
    assert not (tmp_path / "ended").exists()
