"""``sluice`` commands as child processes: what reads a whole log, or gives letters back, must not hold collectors up.

Whatever a child does, this process is not held up by it: what it may say and how long it may take are bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

# -P: the folder it was started in comes before nothing of ours, whatever its files are called.
COMMAND = (sys.executable, "-P", "-m", "sluice")
MAX_OUTPUT_BYTES = 16 << 20
_MAX_SAID_BYTES = 4_000
_PIECE_BYTES = 64 << 10


class ChildError(Exception):
    """There is no answer; the message says why, in the command's own words where it has said any."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: bytes
    err: str


async def ask(command: Sequence[str], seconds: float) -> Said:
    """Run it to its end. Raises ChildError where it takes longer, or says more, than it may."""
    child = await _started(command, PIPE, PIPE)
    try:
        async with asyncio.timeout(seconds):
            return await _said(child)
    except TimeoutError as error:
        raise ChildError(f"no answer within {seconds:g} s: ask for less, or by the command line") from error
    finally:
        await _killed(child)


async def _said(child: Process) -> Said:
    assert child.stdout is not None  # noqa: S101 - they are pipes
    assert child.stderr is not None  # noqa: S101 - as above
    async with asyncio.TaskGroup() as tasks:
        out = tasks.create_task(_read(child.stdout))
        err = tasks.create_task(_read(child.stderr))
    if len(out.result()) > MAX_OUTPUT_BYTES:
        raise ChildError(f"the answer is more than {MAX_OUTPUT_BYTES >> 20} MiB: ask for less")
    text = err.result()[-_MAX_SAID_BYTES:].decode("utf-8", "replace").strip()
    return Said(await child.wait(), out.result(), text)


async def _read(stream: asyncio.StreamReader) -> bytes:
    """To its end; of what is too much the rest is not kept."""
    found = bytearray()
    while piece := await stream.read(_PIECE_BYTES):
        if len(found) <= MAX_OUTPUT_BYTES:
            found += piece
    return bytes(found)


class Running:
    """A command that goes on by itself until it is done; what it says on standard error is kept."""

    def __init__(self, child: Process, err: IO[bytes]) -> None:
        self._child = child
        self._err = err

    @classmethod
    async def start(cls, command: Sequence[str]) -> Running:
        """Raises ChildError where it cannot be started."""
        err = TemporaryFile()  # noqa: SIM115 - as long as the command
        try:
            return cls(await _started(command, DEVNULL, err), err)
        except BaseException:
            err.close()
            raise

    @property
    def code(self) -> int | None:
        """How it ended; ``None`` while it runs."""
        return self._child.returncode

    @property
    def said(self) -> str:
        """The last of it."""
        size = self._err.seek(0, 2)
        self._err.seek(max(0, size - _MAX_SAID_BYTES))
        return self._err.read().decode("utf-8", "replace").strip()

    def stop(self) -> None:
        """Have it finish what is in flight."""
        with contextlib.suppress(ProcessLookupError):
            self._child.terminate()

    def forget(self) -> None:
        """Of one that has ended: what it said is not kept any longer."""
        self._err.close()

    async def close(self, seconds: float) -> None:
        """Stop it, in time or not."""
        if self.code is None:
            self.stop()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), seconds)
            await _killed(self._child)
        self.forget()


async def _started(command: Sequence[str], out: int, err: int | IO[bytes]) -> Process:
    """In a session of its own: Ctrl-C in a terminal reaches us alone, and we stop it in order."""
    try:
        return await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
    except OSError as error:
        raise ChildError(f"{command[0]} cannot be started: {error.strerror or error}") from error


async def _killed(child: Process) -> None:
    """With whatever it started itself, such as plugins: they are in its session."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        await child.wait()
