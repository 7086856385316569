"""The processes of a gateway: one worker in this process, or several of their own that share its port.

A worker that dies is started again under its own name, so that it finds its journal. Each holds the read end of a pipe
whose other end only this process has: when this process is gone, whatever ended it, the workers drain and end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import structlog
import typer
import uvloop

from gateway.adoption import worker_name
from gateway.control.bootstrap import TOKEN_FILE
from gateway.control.opening import prepare
from gateway.listener import Listeners, listen_for
from gateway.settings import Settings
from gateway.worker import Worker

_FIRST_BACKOFF_SECONDS = 0.2
_MAX_BACKOFF_SECONDS = 5.0
_HEALTHY_SECONDS = 10.0
"""A worker that lived this long starts again at once, whatever happened before."""
_STOP_GRACE_SECONDS = 3.0
"""What the last steps of a worker may take beyond ``gateway.shutdown_seconds``."""

logger = structlog.get_logger(__name__)


def run_gateway(settings: Settings, config: Path, options: list[str]) -> None:
    """Serve until SIGTERM or SIGINT. ``options`` are handed to the workers' own command lines.

    Raises PortTakenError, ControlError, SecretError, JournalBusyError, PluginLoadError and whatever else keeps the
    first worker from starting.
    """
    with listen_for(settings) as listeners:
        host, port = listeners.gateway.getsockname()[:2]
        logger.info("gateway listens", host=host, port=port, workers=settings.gateway.workers)
        if listeners.control is not None:
            host, port = listeners.control.getsockname()[:2]
            logger.info("control listens", host=host, port=port)
        _announce(settings, uvloop.run(prepare(settings)))
        if settings.gateway.workers == 1:
            run_worker(settings, config, worker_name(0), listeners)
        else:
            uvloop.run(Supervisor(settings, config, listeners, options).run())


def _announce(settings: Settings, token: str | None) -> None:
    """To whoever started the gateway, and to no log."""
    if token is not None:
        typer.echo(f"admin token (shown once, kept in {settings.data_dir / TOKEN_FILE}): {token}")


def run_worker(settings: Settings, config: Path, name: str, listeners: Listeners, parent: int = -1) -> None:
    """One worker, in this process; ``parent`` is the pipe whose end means that the supervisor is gone."""

    async def main() -> None:
        stop = asyncio.Event()
        # Ctrl-C in a terminal reaches workers twice, directly and from their supervisor, which has its own bound.
        stop_on_signals(stop, at_once_on_second=parent < 0)
        if parent >= 0:
            asyncio.get_running_loop().add_reader(parent, stop.set)
        await Worker(settings, config, name, listeners).run(stop)

    uvloop.run(main())


def stop_on_signals(stop: asyncio.Event, *, at_once_on_second: bool = True) -> None:
    """SIGTERM and SIGINT set ``stop``; a second one ends the process at once, unless it is the first one's echo."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set() and at_once_on_second:
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)


class Supervisor:
    """Starts the workers of a gateway, and starts them again when they die."""

    def __init__(self, settings: Settings, config: Path, listeners: Listeners, options: list[str]) -> None:
        self._settings = settings
        self._config = config
        self._listeners = listeners
        self._options = options
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Until a signal; then every worker drains."""
        stop_on_signals(self._stop)
        async with asyncio.TaskGroup() as tasks:
            for index in range(self._settings.gateway.workers):
                tasks.create_task(self._keep(worker_name(index)))

    async def _keep(self, name: str) -> None:
        """One worker, again and again."""
        loop = asyncio.get_running_loop()
        backoff = _FIRST_BACKOFF_SECONDS
        while not self._stop.is_set():
            started = loop.time()
            status = await self._run_once(name)
            if self._stop.is_set():
                return
            backoff = _FIRST_BACKOFF_SECONDS if loop.time() - started > _HEALTHY_SECONDS else backoff
            logger.error("worker ended", worker=name, status=status, again_in_seconds=backoff)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), backoff)
            backoff = min(2 * backoff, _MAX_BACKOFF_SECONDS)

    async def _run_once(self, name: str) -> int:
        read_end, write_end = os.pipe()
        try:
            process = subprocess.Popen(  # noqa: ASYNC220, S603 - a fork and exec of ourselves takes a millisecond
                self._command(name, read_end),
                pass_fds=(*self._listeners.numbers(), read_end),
                stdin=subprocess.DEVNULL,
            )
            os.close(read_end)
            return await self._wait(process)
        finally:
            os.close(write_end)

    def _command(self, name: str, parent: int) -> list[str]:
        own = ["--worker", name, *self._listeners.options(), "--parent", str(parent)]
        # -P: the folder it was started in comes before nothing of ours, whatever its files are called.
        command = [sys.executable, "-P", "-m", "sluice", "gateway", "--config", str(self._config), *self._options]
        return [*command, *own]

    async def _wait(self, process: subprocess.Popen[bytes]) -> int:
        ended = asyncio.Event()
        status = 0

        def wait() -> int:
            return process.wait()

        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(self._end_when_stopped(process, ended))
            status = await asyncio.to_thread(wait)
            ended.set()
            stopping.cancel()
        return status

    async def _end_when_stopped(self, process: subprocess.Popen[bytes], ended: asyncio.Event) -> None:
        await self._stop.wait()
        process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), self._settings.gateway.shutdown_seconds + _STOP_GRACE_SECONDS)
            return
        process.kill()
