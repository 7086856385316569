"""A plugin's process: started in a session of its own, its output always drained, killed with everything it started.

It is started by the thread that runs the event loop: the kernel's promise to kill it holds while that thread lives.
Not by the loop's own means: uvloop forks, and gRPC hooks forks; ``subprocess`` goes by vfork, which nothing hooks.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sluice.plugin_host.processes.executable import Executable
from sluice.plugin_host.processes.handshake import MAX_LINE_BYTES, HandshakeError, socket_of
from sluice.plugin_host.processes.output import Lines, Output

_LAUNCHER = str(Path(__file__).with_name("launcher.py"))
_READ_BYTES = 64 << 10
_MAX_BYTES_PER_WINDOW = 1 << 20
_WINDOW_SECONDS = 0.25
"""More than 4 MiB a second is not read: a plugin that prints as fast as it can waits for us, not we for it."""
_LAST_WORDS_SECONDS = 0.2
_EXIT_SECONDS = 5.0  # from SIGKILL; a process that waits for its disk may take longer


@dataclass(frozen=True, slots=True)
class Start:
    """How to start a plugin."""

    executable: Executable
    environment: dict[str, str]
    folder: Path
    """Its working folder."""


class _Pipe:
    """One of its streams, read as it comes within a bound."""

    def __init__(self, stream: IO[bytes] | None, lines: Lines) -> None:
        assert stream is not None  # noqa: S101 - it was asked for
        self._loop = asyncio.get_running_loop()
        self._stream = stream
        self._descriptor = stream.fileno()
        os.set_blocking(self._descriptor, False)
        self._lines = lines
        self._taken = 0
        self._window: asyncio.TimerHandle | None = None
        self.ended = asyncio.Event()
        self._loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Read no further; may be called twice."""
        if self.ended.is_set():
            return
        self.ended.set()
        self._loop.remove_reader(self._descriptor)
        self._stream.close()
        if self._window is not None:
            self._window.cancel()
        self._lines.end()

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.close()
            return
        if self._window is None:
            self._window = self._loop.call_later(_WINDOW_SECONDS, self._end_window)
        self._taken += len(data)
        if self._taken > _MAX_BYTES_PER_WINDOW:
            self._loop.remove_reader(self._descriptor)
        self._lines.feed(data)

    def _end_window(self) -> None:
        """Count anew, and read on where that was too much."""
        self._window = None
        if self._taken > _MAX_BYTES_PER_WINDOW:
            self._loop.add_reader(self._descriptor, self._read)
        self._taken = 0


class Child:
    """One process, from its start to its end; made by ``start_child``."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int, output: Output) -> None:
        """``descriptor`` can be read when the process has ended."""
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._output = output
        self._line: asyncio.Future[bytes] = self._loop.create_future()
        self._pipes = (
            _Pipe(process.stdout, Lines(output, "stdout", self._got_line)),
            _Pipe(process.stderr, Lines(output, "stderr")),
        )
        self.pid = process.pid
        self.exited: asyncio.Future[str] = self._loop.create_future()
        """How it ended, in words."""
        self._descriptor = descriptor
        self._loop.add_reader(self._descriptor, self._has_ended)

    async def socket(self, seconds: float) -> str:
        """The path of the socket it listens on, once it said so. Raises HandshakeError for any other first line, for
        an end and for silence."""
        await asyncio.wait((self._line, self.exited), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if self.exited.done():
            await self._drain()
        if self._line.done():
            line = self._line.result()
            if len(line) > MAX_LINE_BYTES:
                message = f"its first line is longer than {MAX_LINE_BYTES} bytes; expected 1|1|unix|/path|grpc|"
                raise HandshakeError(message)
            return socket_of(line)
        said = f"; it printed: {self._output.last_words}" if self._output.last_words else ""
        if self.exited.done():
            message = f"it {self.exited.result()} before it said where it listens{said}"
        else:
            message = f"it did not say where it listens within {seconds:g} s{said}"
        raise HandshakeError(message)

    async def wait(self, seconds: float) -> bool:
        """Whether it ended within so many seconds."""
        await asyncio.wait((self.exited,), timeout=seconds)
        return self.exited.done()

    def kill_now(self) -> None:
        """End it and its group, without waiting for that."""
        if not self.exited.done():  # so its number is still its own
            self._kill_group()

    async def kill(self) -> None:
        """As ``kill_now``; returns when it is gone and nothing of it is left open here."""
        self.kill_now()
        if await self.wait(_EXIT_SECONDS):
            await self._drain()
        else:
            self._output.say_stuck(self.pid)
        for pipe in self._pipes:
            pipe.close()
        self._output.report()

    async def _drain(self) -> None:
        """Its last words: what it started may hold its pipes open, but not for long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                for pipe in self._pipes:
                    await pipe.ended.wait()

    def _has_ended(self) -> None:
        """What it started ends with it: before it is reaped its number, which is its group's, is nobody else's."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._kill_group()
        code = self._process.wait()
        if not self.exited.done():
            self.exited.set_result(f"exited with status {code}" if code >= 0 else f"was ended by {_signal(-code)}")

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _got_line(self, line: bytes) -> None:
        if not self._line.done():
            self._line.set_result(line)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time one
        return f"signal {number}"


def start_child(start: Start, output: Output) -> Child:
    """A process of the executable; raises OSError where there can be none. Its ``kill`` is the caller's to call."""
    executable = start.executable
    process = subprocess.Popen(  # noqa: S603 - checked by executable.py
        (sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), executable.target, str(executable.path)),
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=start.environment,
        cwd=start.folder,
        start_new_session=True,
        pass_fds=() if executable.is_script else (executable.descriptor,),
    )
    try:
        return Child(process, os.pidfd_open(process.pid), output)
    except BaseException:
        process.kill()
        process.communicate()
        raise
