"""``--workers`` is refused where processes cannot share the work; else one command runs them all."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from collectors.server import PortTakenError
from collectors.settings import HostSettings, Settings
from collectors.workers.place import WorkerPlace
from collectors.workers.running import check_workers, run_workers, worker_command
from sluice.settings import SettingsError

KAFKA = HostSettings.model_validate({"kafka": {"bootstrap_servers": "h:1"}})


def test_over_journals_there_is_one_process() -> None:
    """The refusal names the file, the key and what can be done instead; with Kafka, or one worker, there is none."""
    with pytest.raises(
        SettingsError, match=r"^sluice.yaml: kafka.bootstrap_servers: .*--workers 1.*sluice collect NAME"
    ):
        check_workers(2, HostSettings(), Path("sluice.yaml"))
    check_workers(1, HostSettings(), Path("sluice.yaml"))
    check_workers(8, KAFKA, Path("sluice.yaml"))


def test_a_worker_runs_the_same_command() -> None:
    """With the same files and services; a service may have the name of an option."""
    command = worker_command(["--config=a"], ["-x"], WorkerPlace(1, Path("s"), 3))
    assert command[1:] == [
        "-P",
        "-m",
        "sluice",
        "collect",
        "--config=a",
        "--worker=1",
        "--socket=s",
        "--parent=3",
        "--",
        "-x",
    ]


def settings(port: int = 0) -> Settings:
    """Of a server on this port."""
    return Settings.model_validate({"server": {"port": port}, "shutdown_seconds": 1})


async def test_a_signal_ends_it_all(tmp_path: Path) -> None:
    """The workers, the page and the folder of sockets."""
    sockets = tmp_path / "sockets"
    note = f"open({str(sockets)!r}, 'a').write(sys.argv[1] + '\\n')"
    code = f"import sys, time; open(sys.argv[1], 'w'); {note}; time.sleep(60)"
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(
            run_workers(settings(), 2, lambda place: [sys.executable, "-c", code, str(place.socket)])
        )
        async with asyncio.timeout(20):
            while not sockets.exists() or len(sockets.read_text().splitlines()) < 2:  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.02)
        folders = {Path(line).parent for line in sockets.read_text().splitlines()}
        assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700]
        os.kill(os.getpid(), signal.SIGTERM)
        assert await task == 1  # they served, heard no stop, and died of it
    assert not any(folder.exists() for folder in folders)


async def test_a_taken_port_starts_nothing(tmp_path: Path) -> None:
    """It is known before the first worker."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortTakenError):
            await run_workers(settings(taken.getsockname()[1]), 1, lambda _: ["/bin/false"])
