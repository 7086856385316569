"""Any command, held as servers are."""

from __future__ import annotations

import time
from pathlib import Path

from sluice.dev.servers.process import ServerProcess

READY_SECONDS = 60.0


def process_of(folder: Path, *command: str) -> ServerProcess:
    """Any command, held as servers are."""
    return ServerProcess("a server", command, folder=folder, log_path=folder / "server.log", uid=None)


def wait_until_gone(pid: int) -> None:
    """Until the process has ended, or only its entry in the process table is left."""
    deadline = time.monotonic() + READY_SECONDS
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)
