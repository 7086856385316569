"""Several services as one: started, watched, ended in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from sluice.dev.children import Child, ChildSpec, Tell

_FOLLOW_SECONDS = 0.1


class Services:
    """Children, of which the first drains into the others: it ends before they are asked to."""

    def __init__(self, specs: Sequence[ChildSpec], folder: Path, log_folder: Path, tell: Tell) -> None:
        self.children = [Child(spec, folder, log_folder) for spec in specs]
        self._tell = tell

    @property
    def is_running(self) -> bool:
        """Whether anything of them is left."""
        return any(child.is_running for child in self.children)

    async def start(self) -> None:
        """Start all at once, and return when each is ready. Raises ChildError, or a group of them."""
        for child in self.children:
            child.spec.check_port()  # all, before any has started
        async with asyncio.TaskGroup() as tasks:
            for child in self.children:
                tasks.create_task(child.start())

    async def watch(self) -> None:
        """Start again whatever ends; until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for child in self.children:
                tasks.create_task(child.watch(self._tell))

    async def follow(self) -> None:
        """Tell what the services log, each line with its service's name; until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for child in self.children:
                tasks.create_task(self._follow(child))

    async def _follow(self, child: Child) -> None:
        async for line in _new_lines(child.log_path):
            self._tell(f"{child.spec.name:>10} | {line}")

    async def stop(self) -> None:
        """End the first, and when it has drained the others, each within its own time."""
        first, *others = self.children
        await self._stop(first)
        async with asyncio.TaskGroup() as tasks:
            for child in others:
                tasks.create_task(self._stop(child))

    async def _stop(self, child: Child) -> None:
        if child.is_running and not await child.stop():
            self._tell(f"the {child.spec.name} took longer than {child.spec.stop_seconds:g} s and was killed")

    def kill(self) -> None:
        """End everything at once; what is not delivered is in the journal."""
        for child in self.children:
            child.kill()


async def _new_lines(path: Path) -> AsyncIterator[str]:
    """Whole lines as they are written, from now on; a file that was replaced is read from its start."""
    offset = path.stat().st_size if path.exists() else 0
    rest = b""
    while True:
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size < offset:
                offset, rest = 0, b""
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read()
            offset += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace")
        await asyncio.sleep(_FOLLOW_SECONDS)
