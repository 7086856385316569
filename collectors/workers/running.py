"""``sluice collect --workers N``: a supervisor, its workers, and their one port, until a signal."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from collectors.operations.desk.desk import Desk
from collectors.settings import HostSettings, Settings
from collectors.workers.front import Front
from collectors.workers.place import WorkerPlace
from collectors.workers.supervisor import Supervisor
from sluice.settings import SettingsError

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_log = structlog.get_logger(__name__)


def check_workers(count: int, host: HostSettings, config: Path) -> None:
    """Raises SettingsError where several processes cannot share the work."""
    if count > 1 and not host.kafka.bootstrap_servers:
        remedy = (
            "set it, use --workers 1, or run services in processes of their own: sluice collect NAME, each with its "
            "own server.port"
        )
        problem = f"kafka.bootstrap_servers: is empty, and of journals one process per group reads all; {remedy}"
        raise SettingsError(config, [problem])


def worker_command(options: Sequence[str], services: Sequence[str], place: WorkerPlace) -> list[str]:
    """What runs one worker."""
    # -P: the folder it was started in comes before nothing of ours, whatever its files are called.
    return [sys.executable, "-P", "-m", "sluice", "collect", *options, *place.options(), "--", *services]


async def run_workers(
    settings: Settings,
    count: int,
    command: Callable[[WorkerPlace], Sequence[str]],
    desk: Desk | None = None,
    data_dir: Path = Path(),
) -> int:
    """The exit code: 0 where every worker ended well. Raises PortTakenError."""
    with tempfile.TemporaryDirectory(prefix="sluice-collect-") as folder:  # which others cannot enter
        supervisor = Supervisor(command, count, Path(folder), settings.shutdown_seconds)
        front = Front(settings.server, supervisor, desk, data_dir)
        loop = asyncio.get_running_loop()

        def signalled(number: signal.Signals) -> None:
            supervisor.signalled(number)
            if desk is not None and number != signal.SIGHUP:
                desk.stop()

        for number in _SIGNALS:
            loop.add_signal_handler(number, signalled, number)
        url = await front.start()
        _log.info("collectors serve", url=url, workers=count)
        try:
            code = await supervisor.run()
        finally:
            await front.close()
            if desk is not None:
                await desk.close()
    _log.info("collectors stopped", code=code)
    return code
