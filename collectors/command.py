"""``sluice collect``: runs collector services."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from collectors.jobs.command import register_jobs
from collectors.operations.command import register_operations
from collectors.services.command import register_services
from sluice.command_line.application import Panel
from sluice.command_line.completing import complete_files, complete_services
from sluice.command_line.findings import Finding, Installation
from sluice.commands import Commands, Examined, need
from sluice.logs import configure_logs

if TYPE_CHECKING:
    from collectors.settings import Settings

_NEEDED = ("polars", "elasticsearch", "sqlalchemy", "aiosqlite")

_Services = Annotated[
    list[str] | None,
    typer.Argument(help="The services to run; all enabled ones by default.", autocompletion=complete_services),
]
_Collectors = Annotated[
    str,
    typer.Option(
        "--collectors",
        metavar="FILE|URL",
        help="What to carry where: a file, or a service that serves it. By default PLUGINS_CONFIG_PATH, "
        "PLUGINS_CONFIG_SERVICE_URL, or collectors.yaml.",
    ),
]
_Config = Annotated[
    Path,
    typer.Option(
        "--config", "-c", help="Where the event log is: the gateway's own file.", autocompletion=complete_files
    ),
]

_Workers = Annotated[
    int, typer.Option(min=1, max=64, help="Processes that share the partitions of every service; needs Kafka.")
]


def register(commands: Commands) -> None:
    """Add ``sluice collect`` and the settings it reads. Raises ModuleNotFoundError where the extra is missing."""
    recognises = lambda document: "data_collection_plugins" in document  # noqa: E731 - one expression
    commands.add_settings("collectors", recognises, _load, _notes, _examine, _read_address)
    need(*_NEEDED)
    commands.add_check("collectors", check)
    commands.app.command("collect", rich_help_panel=Panel.RUN)(collect)
    register_operations(commands.app)
    register_jobs(commands.app)
    register_services(commands.app)


def check(installation: Installation) -> Iterator[Finding]:
    """What ``sluice doctor`` looks at."""
    from collectors.doctor import check_collectors  # noqa: PLC0415 - as below

    return check_collectors(installation)


def _notes(settings: Settings) -> Sequence[str]:
    return settings.notes()


def _examine(document: dict[str, Any], settings: Settings, folder: Path) -> Examined:
    from collectors.configuration.checking import examine  # noqa: PLC0415 - as below

    return examine(document, settings, folder)


def _read_address(url: str) -> tuple[dict[str, Any], Any]:
    """Of the service that serves the configuration, asked as ``sluice collect`` asks it."""
    import asyncio  # noqa: PLC0415 - as below

    from sluice.settings import SettingsError, environment, parse_document, settings_of  # noqa: PLC0415 - as below

    try:
        from collectors.configuration.origin import service_at  # noqa: PLC0415 - as below
    except ModuleNotFoundError as error:
        problem = f"needs {error.name}, which is not installed: pip install 'sluice-gateway[collectors]'"
        raise SettingsError(url, [problem]) from error
    from collectors.settings import Settings  # noqa: PLC0415

    origin = service_at(url, Path(), environment())
    document = parse_document(asyncio.run(origin.read(insists=True)) or b"", origin.where)
    return document, settings_of(document, Settings, origin.where)


def _load(path: Path) -> Any:
    from collectors.settings import Settings  # noqa: PLC0415 - polars is not loaded for `sluice --help`
    from sluice.settings import load_settings  # noqa: PLC0415

    return load_settings(path, Settings)


def collect(
    services: _Services = None,
    collectors: _Collectors = "",
    config: _Config = Path("sluice.yaml"),
    workers: _Workers = 1,
    worker: Annotated[int, typer.Option(hidden=True)] = -1,
    socket: Annotated[Path, typer.Option(hidden=True)] = Path(),
    parent: Annotated[int, typer.Option(hidden=True)] = -1,
) -> None:
    """Carry events from the log to their sinks until SIGTERM or SIGINT; a second signal stops at once.

    What changes in the configuration is taken up while it runs; SIGHUP has it read at once. Exits 2 where it cannot
    start, and says why.

    Example: sluice collect --collectors collectors.yaml --config sluice.yaml
    """
    import asyncio  # noqa: PLC0415 - as above

    configure_logs()  # before whoever logs is loaded, and structlog with it
    from collectors.configuration.opening import begin  # noqa: PLC0415 - as above
    from collectors.configuration.origin import open_origin  # noqa: PLC0415
    from collectors.operations.desk.desk import Desk  # noqa: PLC0415
    from collectors.process import Process  # noqa: PLC0415
    from collectors.server import PortTakenError  # noqa: PLC0415
    from collectors.settings import HostSettings  # noqa: PLC0415
    from collectors.workers.place import WorkerPlace  # noqa: PLC0415
    from collectors.workers.running import check_workers, run_workers, worker_command  # noqa: PLC0415
    from sluice.memory import MANY, settle_memory  # noqa: PLC0415
    from sluice.settings import SettingsError, load_settings  # noqa: PLC0415

    place = WorkerPlace(worker, socket, parent) if worker >= 0 else None
    names = tuple(services or ())

    async def run() -> int:
        # Until there is somebody to be told a hangup would end us; what is read from here on is new anyway.
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
        host = load_settings(config, HostSettings)
        check_workers(workers, host, config)
        origin = open_origin(collectors, host.data_dir)
        reloading = await begin(origin, names, host)
        begun = reloading.running
        desk = None if place is not None else Desk(config, origin.file, host.data_dir)
        if workers > 1:
            options = [f"--config={config}", *([f"--collectors={collectors}"] if collectors else [])]
            command = partial(worker_command, options, names)
            return await run_workers(begun.settings, workers, command, desk, host.data_dir)
        process = Process(begun.settings, host, begun.plans, origin.folder, reloading, place, desk)
        settle_memory(MANY)
        return await process.run()

    try:
        code = asyncio.run(run())
    except (SettingsError, PortTakenError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(code)
