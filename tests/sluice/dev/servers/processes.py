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
    while _state(pid) not in {"", "Z"}:
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def _state(pid: int) -> str:
    """As the kernel calls it; empty where the process is gone, also in the very moment of looking."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
