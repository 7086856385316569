"""A service of ours as a child process: started, watched until it is ready, started again when it dies, ended in time.

Each child is held by the keeper that also holds real servers (``sluice.dev.servers.keeper``): it has a process group of
its own, so Ctrl-C in a terminal reaches us alone, and it is killed when we are gone, whatever ended us.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sluice.dev.servers.errors import tail
from sluice.dev.servers.process import ServerProcess

READY_SECONDS = 60.0
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 10.0
HEALTHY_SECONDS = 30.0
"""A child that lived this long is started again without remembering its earlier deaths."""
MAX_LOG_BYTES = 10 << 20

_POLL_SECONDS = 0.05
_PROBE_SECONDS = 2.0
_SHOWN_LINES = 6

Tell = Callable[[str], None]


class ChildError(Exception):
    """A child cannot be had; the message ends with the remedy or with its last log lines."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """What to run, and how to know that it serves."""

    name: str
    command: Sequence[str]
    host: str
    port: int
    port_key: str
    """The setting that names the port, for the message that it is taken."""
    stop_seconds: float
    """How long it may take to drain before it is killed; what it has not done by then its successor does."""
    ready_path: str = "/ready"
    variables: Mapping[str, str] = field(default_factory=dict)

    def check_port(self) -> None:
        """Raise ChildError where somebody else listens already."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind((self.host, self.port))
            except OSError as error:
                remedy = f"set {self.port_key} to another port, or end what listens there"
                message = f"{self.host}:{self.port} is taken, so the {self.name} cannot start: {remedy}"
                raise ChildError(message) from error


class Child:
    """One running service."""

    def __init__(self, spec: ChildSpec, folder: Path, log_folder: Path) -> None:
        self.spec = spec
        self.log_path = log_folder / f"{spec.name}.log"
        self.restarts = 0
        variables = ["env", *(f"{key}={value}" for key, value in spec.variables.items())] if spec.variables else []
        self._process = ServerProcess(
            spec.name, [*variables, *spec.command], folder=folder, log_path=self.log_path, uid=None
        )

    @property
    def is_running(self) -> bool:
        """Whether any process of it is left."""
        return self._process.is_running

    @property
    def pid(self) -> int:
        """The keeper's; 0 where nothing runs."""
        return self._process.pid

    async def start(self) -> None:
        """Launch it and return when it serves. Raises ChildError when it ends instead, or stays silent."""
        self._launch()
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while not await self._is_ready():
            if not self.is_running:
                message = f"the {self.spec.name} ended while starting:\n{self.last_lines()}\n  its log: {self.log_path}"
                raise ChildError(message)
            if asyncio.get_running_loop().time() > deadline:
                message = f"the {self.spec.name} was not ready after {READY_SECONDS:g} s:\n{self.last_lines()}"
                raise ChildError(message)
            await asyncio.sleep(_POLL_SECONDS)

    async def watch(self, tell: Tell) -> None:
        """Start it again whenever it ends; cancelled when it shall end."""
        backoff = FIRST_BACKOFF_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await self._ended()
            if loop.time() - started > HEALTHY_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            tell(
                f"the {self.spec.name} ended, starting it again in {backoff:g} s; its last lines:\n{self.last_lines()}"
            )
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)
            self.restarts += 1
            self._launch()

    async def stop(self) -> bool:
        """Ask it to end, and kill it when it takes too long; whether it ended by itself."""
        self._process.ask_to_end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.spec.stop_seconds):
                await self._ended()
        in_time = not self.is_running
        self.kill()
        return in_time

    def kill(self) -> None:
        """End everything of it at once."""
        self._process.kill()

    def last_lines(self) -> str:
        """The end of its log."""
        return tail(self.log_path, _SHOWN_LINES)

    def _launch(self) -> None:
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        if self.log_path.exists() and self.log_path.stat().st_size > MAX_LOG_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        self._process.launch()

    async def _ended(self) -> None:
        while self.is_running:  # noqa: ASYNC110 - the end of a process is no event of the loop's on every platform
            await asyncio.sleep(_POLL_SECONDS)

    async def _is_ready(self) -> bool:
        return await answers(self.spec.host, self.spec.port, self.spec.ready_path)


async def answers(host: str, port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
                return (await reader.readline()).split(b" ")[1:2] == [b"200"]
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        return False
