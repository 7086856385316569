"""Starts the workers, starts again whichever ends, and ends them with itself.

A worker is a process of its own, spawned and never forked: polars and aiokafka keep threads. It leads a process group,
so that Ctrl-C in a terminal reaches the supervisor alone, which passes on what it gets. Each holds the read end of a
pipe whose other end only the supervisor has: when that is gone, whatever ended it, the workers drain and end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from collectors.workers.place import WorkerPlace
from sluice.telemetry import Registry

FIRST_BACKOFF_SECONDS = 0.2
MAX_BACKOFF_SECONDS = 5.0
HEALTHY_SECONDS = 10.0
"""A worker that lived this long is started again at once, whatever happened before."""
_GRACE_SECONDS = 3.0
"""What the last steps of a worker may take beyond ``shutdown_seconds``."""

_NOT_STARTED = 71  # EX_OSERR of sysexits.h
_ENDED_BY_SIGNAL = (-signal.SIGTERM, -signal.SIGINT)

_log = structlog.get_logger(__name__)


class Supervisor:
    """Of so many workers. ``command`` is what runs the one of a place; sockets are made in ``folder``."""

    def __init__(
        self, command: Callable[[WorkerPlace], Sequence[str]], count: int, folder: Path, shutdown_seconds: float
    ) -> None:
        self._command = command
        self.folder = folder
        """Private: where workers serve, and where they find what is theirs to know."""
        self._shutdown_seconds = shutdown_seconds
        self._stopping = asyncio.Event()
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._statuses: dict[int, int] = {}
        self.count = count
        self.registry = Registry()
        self._restarts = self.registry.counter(
            "sluice_collector_worker_restarts_total", "Times that a worker had to be started again.", labels=("worker",)
        )
        self._up = self.registry.gauge(
            "sluice_collector_worker_up", "1 while the process of a worker runs.", labels=("worker",)
        )

    def socket(self, index: int) -> Path:
        """Where a worker serves its pages."""
        return self.folder / f"{index}.sock"

    @property
    def pids(self) -> dict[int, int]:
        """Those that run."""
        return {index: process.pid for index, process in sorted(self._processes.items())}

    async def run(self) -> int:
        """Until ``signalled``; then 0 where every worker ended well."""
        async with asyncio.TaskGroup() as tasks:
            for index in range(self.count):
                tasks.create_task(self._keep(index))
        return 1 if any(self._statuses.values()) else 0

    def signalled(self, number: signal.Signals) -> None:
        """Pass it on; SIGTERM and SIGINT also mean that no worker is started any more.

        A hangup ends a process that does not listen for it yet: a worker that is starting reads the configuration
        anyway, and is told nothing.
        """
        if number != signal.SIGHUP:
            self._stopping.set()
        for index, process in self._processes.items():
            if number != signal.SIGHUP or self.socket(index).exists():
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)

    async def _keep(self, index: int) -> None:
        """One worker, again and again."""
        loop = asyncio.get_running_loop()
        backoff = FIRST_BACKOFF_SECONDS
        while not self._stopping.is_set():
            started = loop.time()
            self._statuses[index] = await self._run_and_tell(index)
            if self._stopping.is_set():
                return
            backoff = FIRST_BACKOFF_SECONDS if loop.time() - started > HEALTHY_SECONDS else backoff
            _log.error("worker ended", worker=index, status=self._statuses[index], again_in_seconds=backoff)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff):
                    await self._stopping.wait()
            backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)
            self._restarts.add(1, str(index))

    async def _run_and_tell(self, index: int) -> int:
        """Its status; of one that was stopped before it served anything, which had nothing to drain, 0."""
        self.socket(index).unlink(missing_ok=True)
        try:
            status = await self._run_once(index)
        except OSError as error:  # no more processes, or files, for now: the others go on meanwhile
            _log.error("worker cannot be started", worker=index, error=error.strerror or type(error).__name__)
            return _NOT_STARTED
        never_served = status in _ENDED_BY_SIGNAL and not self.socket(index).exists()
        return 0 if never_served and self._stopping.is_set() else status

    async def _run_once(self, index: int) -> int:
        read_end, write_end = os.pipe()
        try:
            process = await self._start(WorkerPlace(index, self.socket(index), read_end))
            self._processes[index] = process
            self._up.set(1, str(index))
            _log.info("worker started", worker=index, pid=process.pid)
            if self._stopping.is_set():  # a signal came while there was nobody to pass it on to
                process.terminate()
            return await self._wait(process)
        finally:
            self._processes.pop(index, None)
            self._up.set(0, str(index))
            os.close(write_end)

    async def _start(self, place: WorkerPlace) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._command(place),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(place.parent,),
                start_new_session=True,
            )
        finally:
            os.close(place.parent)

    async def _wait(self, process: asyncio.subprocess.Process) -> int:
        async with asyncio.TaskGroup() as tasks:
            ending = tasks.create_task(self._end_when_stopped(process))
            status = await process.wait()
            ending.cancel()
        return status

    async def _end_when_stopped(self, process: asyncio.subprocess.Process) -> None:
        """Kill it where it does not end in time."""
        await self._stopping.wait()
        await asyncio.sleep(self._shutdown_seconds + _GRACE_SECONDS)
        _log.error("worker does not end, and is killed", pid=process.pid)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
