"""Small real processes in the place of services: they listen, say that they are ready, and end as they are told."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sluice.dev.children import ChildSpec
from sluice.dev.servers.ports import free_port

WAIT_SECONDS = 60.0

_SERVICE = """
import os, signal, socket, sys, threading, time
name, port, drain, folder = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", port))
def end(number, frame):
    time.sleep(drain)
    open(os.path.join(folder, "ended"), "a").write(name + "\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
listener.listen()
print(name, "serves with", os.environ.get("STANDIN", "nothing"), flush=True)
pid_path = os.path.join(folder, name + ".pid")
with open(pid_path + ".new", "w") as new:
    new.write(str(os.getpid()))
os.replace(pid_path + ".new", pid_path)
while True:
    connection, _ = listener.accept()
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n")
    connection.close()
"""


def standin(
    folder: Path, name: str = "service", *, drain_seconds: float = 0.0, stop_seconds: float = 30.0, port: int = 0
) -> ChildSpec:
    """A service that drains for so long when it is asked to end, and then says so in ``folder/ended``."""
    port = port or free_port()
    command = [sys.executable, "-I", "-S", "-c", _SERVICE, name, str(port), str(drain_seconds), str(folder)]
    return ChildSpec(name, command, "127.0.0.1", port, f"{name}.port in a file", stop_seconds)


def dying(name: str = "service") -> ChildSpec:
    """A service that says why and ends."""
    command = [sys.executable, "-I", "-S", "-c", "import sys; sys.exit('no such setting: colour')"]
    return ChildSpec(name, command, "127.0.0.1", free_port(), "a key", 1.0)


def pid_of(folder: Path, name: str = "service") -> int:
    """The service's own process id."""
    return int((folder / f"{name}.pid").read_text())


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or only its entry in the process table is left."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)
