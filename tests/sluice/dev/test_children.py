"""Services of ours as child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sluice.dev import children
from sluice.dev.children import Child, ChildError, answers
from tests.sluice.dev.standins import dying, has_ended, pid_of, standin, until


async def test_a_child_is_started_until_it_is_ready_and_ended_when_asked(tmp_path: Path) -> None:
    """It drains first: what it had to say, it has said."""
    child = Child(standin(tmp_path, drain_seconds=0.2), tmp_path, tmp_path / "logs")
    await child.start()
    assert await answers(child.spec.host, child.spec.port, "/ready")
    assert await child.stop()
    assert (tmp_path / "ended").read_text() == "service\n"
    assert not child.is_running


async def test_a_child_that_does_not_drain_in_time_is_killed(tmp_path: Path) -> None:
    """Whoever ends us must not be kept waiting."""
    child = Child(standin(tmp_path, drain_seconds=600, stop_seconds=0.2), tmp_path, tmp_path / "logs")
    await child.start()
    pid = pid_of(tmp_path)
    assert not await child.stop()
    assert has_ended(pid)


async def test_a_child_that_ends_while_starting_is_named_with_its_last_lines(tmp_path: Path) -> None:
    """At once, not when the time for starting is over."""
    child = Child(dying("gateway"), tmp_path, tmp_path / "logs")
    with pytest.raises(ChildError, match="the gateway ended while starting") as caught:
        await child.start()
    assert "no such setting: colour" in str(caught.value)
    assert str(tmp_path / "logs" / "gateway.log") in str(caught.value)


async def test_a_child_that_stays_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for starting has an end."""
    monkeypatch.setattr(children, "READY_SECONDS", 0.3)
    child = Child(replace(standin(tmp_path), port=1), tmp_path, tmp_path / "logs")
    with pytest.raises(ChildError, match="not ready"):
        await child.start()
    child.kill()


async def test_a_child_that_dies_is_named_and_started_again(tmp_path: Path) -> None:
    """With the end of its log, on the same port."""
    told: list[str] = []
    child = Child(standin(tmp_path), tmp_path, tmp_path / "logs")
    await child.start()
    first = pid_of(tmp_path)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(child.watch(told.append))
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.restarts == 1 and pid_of(tmp_path) != first)
        watching.cancel()
    assert "the service ended" in told[0]
    assert "service serves" in told[0]
    await child.stop()


def test_a_taken_port_is_named_with_the_key_that_changes_it(tmp_path: Path) -> None:
    """Before anything is started."""
    spec = standin(tmp_path)
    with socket.socket() as taken:
        taken.bind((spec.host, spec.port))
        taken.listen()
        with pytest.raises(ChildError, match=r"taken.*set service.port in a file"):
            spec.check_port()
    spec.check_port()


async def test_a_child_gets_the_variables_of_its_specification(tmp_path: Path) -> None:
    """Beside the environment that we have ourselves."""
    child = Child(replace(standin(tmp_path), variables={"STANDIN": "a variable"}), tmp_path, tmp_path / "logs")
    await child.start()
    assert "service serves with a variable" in child.last_lines()
    await child.stop()


async def test_a_large_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One old file is kept, so that logs have a bound."""
    monkeypatch.setattr(children, "MAX_LOG_BYTES", 10)
    child = Child(standin(tmp_path), tmp_path, tmp_path)
    child.log_path.write_text("x" * 11)
    await child.start()
    assert child.log_path.with_suffix(".log.1").read_text() == "x" * 11
    assert "x" not in child.last_lines()
    await child.stop()


async def test_children_do_not_outlive_whoever_started_them(tmp_path: Path) -> None:
    """Killed with -9, the parent takes its children along: the keeper's pipe ends."""
    script = (
        "import asyncio, pathlib, sys\n"
        "from sluice.dev.children import Child\n"
        "from tests.sluice.dev.standins import standin\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "async def main():\n"
        "    await Child(standin(folder), folder, folder).start()\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE) as parent:  # noqa: ASYNC220
        assert parent.stdout is not None
        assert await asyncio.to_thread(parent.stdout.readline) == b"ready\n"
        pid = pid_of(tmp_path)
        parent.kill()
    await until(lambda: has_ended(pid))


async def test_nobody_there_is_no_answer(tmp_path: Path) -> None:
    """Neither a refusal nor another status is readiness."""
    spec = standin(tmp_path)
    assert not await answers(spec.host, spec.port, "/ready")
