"""One of our commands as a process: started by its command line, killed, started again; it never outlives the test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from sluice.dev.servers.process import ServerProcess
from tests.integration.waiting import until

READY_SECONDS = 60.0
_TAIL_CHARACTERS = 4_000
_SAMPLE = re.compile(r"^(?P<name>[a-z0-9_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$", re.MULTILINE)


class Service:
    """``sluice <arguments>``, ready when ``url`` + ``ready`` answers with 200."""

    def __init__(self, name: str, arguments: Sequence[str], *, folder: Path, url: str, ready: str = "/ready") -> None:
        self.name = name
        self.url = url
        self.log_path = folder / f"{name}.log"
        self._ready = ready
        self._process = ServerProcess(
            name, [sys.executable, "-m", "sluice", *arguments], folder=folder, log_path=self.log_path, uid=None
        )

    @property
    def is_running(self) -> bool:
        """Whether any process of it lives."""
        return self._process.is_running

    def launch(self) -> None:
        """Start it; returns at once."""
        self._process.launch()

    async def start(self, seconds: float = READY_SECONDS) -> None:
        """Start it and return when it is ready."""
        self.launch()
        await self.wait_until_ready(seconds)

    async def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Return when it serves; an error has the end of its log."""
        try:
            await until(lambda: self._answers() or not self.is_running, seconds, f"{self.name} ready")
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from error
        if not self.is_running:
            raise AssertionError(f"{self.name} ended by itself\n{self.tail()}")

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url + self._ready, timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    async def kill(self) -> None:
        """SIGKILL to every process of it."""
        await asyncio.to_thread(self._process.kill)

    async def stop(self) -> None:
        """SIGTERM to the command itself, as an operator would; it has its own time to drain."""
        self._process.ask_to_end()
        await until(lambda: not self.is_running, READY_SECONDS, f"{self.name} ended after SIGTERM")
        await asyncio.to_thread(self._process.stop)  # nothing is left: this tidies up

    async def close(self) -> None:
        """Whatever it does: it is gone after this."""
        if self.is_running:
            await self.kill()
        else:
            await asyncio.to_thread(self._process.stop)

    def workers(self) -> dict[str, int]:
        """The workers' names and process ids, where a supervisor runs them."""
        found: dict[str, int] = {}
        for pid in descendants(self._process.pid):
            with contextlib.suppress(OSError):
                arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"--worker" in arguments:
                    found[arguments[arguments.index(b"--worker") + 1].decode()] = pid
        return found

    async def kill_worker(self, name: str) -> None:
        """SIGKILL to one worker; returns when its supervisor has started it again."""
        pid = self.workers()[name]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: self.workers().get(name, pid) != pid, READY_SECONDS, f"worker {name} started again")

    def tail(self) -> str:
        """The end of its log."""
        text = self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""
        return f"--- {self.name}: {self.log_path}\n{text[-_TAIL_CHARACTERS:]}"

    async def metric(self, name: str, *labels: str) -> float:
        """The sum of a metric's samples whose labels hold each of ``labels`` (``kind="analytics"``); 0 without any."""
        async with httpx.AsyncClient(timeout=5) as client:
            text = (await client.get(f"{self.url}/metrics")).text
        return sum(
            float(match["value"])
            for match in _SAMPLE.finditer(text)
            if match["name"] == name and all(label in (match["labels"] or "") for label in labels)
        )


def descendants(pid: int) -> list[int]:
    """The living processes below one."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found
