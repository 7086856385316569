"""What holds a server: nothing of it outlives an order or its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sluice.dev.servers.process import STOP_SECONDS
from tests.sluice.dev.servers.processes import READY_SECONDS, process_of, wait_until_gone


def test_a_kill_takes_grandchildren_along(tmp_path: Path) -> None:
    """Elasticsearch's server is a child of its launcher: both are gone when kill returns."""
    process = process_of(tmp_path, "sh", "-c", "sleep 600 & echo $!; wait")
    process.launch()
    process.wait_until(lambda: process.log_since_launch().endswith(b"\n"), timeout_seconds=READY_SECONDS)
    grandchild = int(process.log_since_launch())
    process.kill()
    assert not Path(f"/proc/{grandchild}").exists()


def test_a_kill_takes_along_what_left_the_group(tmp_path: Path) -> None:
    """PostgreSQL's processes have sessions of their own, two generations deep here: they are gone when kill returns."""
    script = "setsid sh -c 'setsid sleep 600 & echo $! $$; wait' & wait"
    process = process_of(tmp_path, "sh", "-c", script)
    process.launch()
    process.wait_until(lambda: process.log_since_launch().endswith(b"\n"), timeout_seconds=READY_SECONDS)
    started = time.monotonic()
    process.kill()
    assert time.monotonic() - started < STOP_SECONDS / 2
    assert [pid for pid in process.log_since_launch().split() if Path(f"/proc/{int(pid)}").exists()] == []


def test_a_server_dies_with_its_owner(tmp_path: Path) -> None:
    """When the process that started a server is killed, the server is gone too."""
    owner_script = (
        "import pathlib, sys, time\n"
        "from sluice.dev.servers.process import ServerProcess\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "p = ServerProcess('s', ['sh', '-c', 'echo $$; sleep 600'], folder=folder, log_path=folder / 'log', uid=None)\n"
        "p.launch()\n"
        "p.wait_until(lambda: p.log_since_launch().endswith(b'\\n'), timeout_seconds=30)\n"
        "print(int(p.log_since_launch()), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", owner_script, tmp_path], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        server = int(owner.stdout.readline())
        os.kill(owner.pid, signal.SIGKILL)
    wait_until_gone(server)


def test_the_leader_alone_can_be_asked_to_end(tmp_path: Path) -> None:
    """A command that ends its own children in order must not be overtaken: they get no signal from us."""
    script = "trap 'echo leader; exit 0' TERM; sh -c \"trap 'echo child' TERM; echo ready; sleep 1\" & wait $!; wait $!"
    process = process_of(tmp_path, "sh", "-c", script)
    process.launch()
    process.wait_until(lambda: b"ready" in process.log_since_launch(), timeout_seconds=READY_SECONDS)
    process.ask_to_end()
    deadline = time.monotonic() + READY_SECONDS
    while process.is_running:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process.log_since_launch() == b"ready\nleader\n"
