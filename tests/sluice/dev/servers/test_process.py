"""Commands that are launched, awaited and ended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sluice.dev.servers import ServerStartError
from sluice.dev.servers.process import ServerProcess
from tests.sluice.dev.servers.processes import READY_SECONDS, process_of


def test_a_server_that_ends_while_starting_is_named_with_its_log(tmp_path: Path) -> None:
    """The error holds the last lines of the log and where the whole of it is."""
    process = process_of(tmp_path, "sh", "-c", "echo no such setting; exit 1")
    process.launch()
    with pytest.raises(ServerStartError, match="no such setting") as caught:
        process.wait_until(lambda: False, timeout_seconds=READY_SECONDS)
    assert str(tmp_path / "server.log") in str(caught.value)


def test_a_server_that_stays_silent_is_killed(tmp_path: Path) -> None:
    """When the time is over nothing of it is left running."""
    process = process_of(tmp_path, "sleep", "600")
    process.launch()
    with pytest.raises(ServerStartError, match="not ready"):
        process.wait_until(lambda: False, timeout_seconds=0.1)
    assert not process.is_running


def test_a_command_that_ended_by_itself_can_be_launched_again(tmp_path: Path) -> None:
    """Its log goes on; only what came since the launch is looked at."""
    process = process_of(tmp_path, "sh", "-c", "echo once")
    for _ in range(2):
        process.launch()
        process.wait_until(lambda: process.log_since_launch() == b"once\n", timeout_seconds=READY_SECONDS)
        deadline = time.monotonic() + READY_SECONDS
        while process.is_running:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert process.log_path.read_bytes() == b"once\nonce\n"
    process.stop()


def test_a_server_is_stopped_by_the_signal_that_it_wants(tmp_path: Path) -> None:
    """PostgreSQL takes SIGINT for "now" and SIGTERM for "when every client has left"."""
    script = "trap 'echo stopped; exit 0' INT; trap 'echo waiting' TERM; echo ready; while :; do sleep 0.1; done"
    command = ["bash", "-c", script]
    process = ServerProcess(
        "a server", command, folder=tmp_path, log_path=tmp_path / "server.log", uid=None, stop_order=b"I"
    )
    process.launch()
    process.wait_until(lambda: process.log_since_launch() == b"ready\n", timeout_seconds=READY_SECONDS)
    process.stop()
    assert process.log_since_launch() == b"ready\nstopped\n"
