"""``sluice collect``: runs collector services."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice.commands import Commands, need
from sluice.logs import configure_logs
from sluice.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from collectors.entries import AnyEntry

_NEEDED = ("polars", "elasticsearch", "sqlalchemy", "aiosqlite")

_Services = Annotated[list[str] | None, typer.Argument(help="The services to run; all enabled ones by default.")]
_Collectors = Annotated[Path, typer.Option("--collectors", help="What to carry where.")]
_Config = Annotated[Path, typer.Option("--config", "-c", help="Where the event log is: the gateway's own file.")]


def register(commands: Commands) -> None:
    """Add ``sluice collect`` and the settings it reads. Raises ModuleNotFoundError where the extra is missing."""
    commands.add_settings("collectors", lambda document: "data_collection_plugins" in document, _load)
    need(*_NEEDED)
    commands.app.command("collect")(collect)


def _need_sinks(path: Path, entries: Sequence[AnyEntry]) -> None:
    """Say what to install for the sinks of a file, before a port opens."""
    from collectors.sinks.registry import kind_of  # noqa: PLC0415 - polars is not loaded for `sluice --help`

    for entry in entries:
        kind = kind_of(entry.path)
        if missing := kind.missing():
            text = f"{path}: {entry.name}: {entry.path} needs what is not installed ({', '.join(missing)})"
            typer.echo(f"{text}; pip install 'sluice-gateway[{kind.extra}]'", err=True)
            raise typer.Exit(2)


def _load(path: Path) -> Any:
    from collectors.settings import Settings  # noqa: PLC0415 - polars is not loaded for `sluice --help`

    return load_settings(path, Settings)


def collect(
    services: _Services = None,
    collectors: _Collectors = Path("collectors.yaml"),
    config: _Config = Path("sluice.yaml"),
) -> None:
    """Carry events from the log to their sinks until SIGTERM or SIGINT; a second signal stops at once.

    Example: sluice collect --collectors collectors.yaml --config sluice.yaml
    """
    from collectors.process import Process  # noqa: PLC0415 - as above
    from collectors.server import PortTakenError  # noqa: PLC0415
    from collectors.settings import HostSettings  # noqa: PLC0415

    configure_logs()
    try:
        settings, host = _load(collectors), load_settings(config, HostSettings)
        entries = settings.entries(tuple(services or ()))
    except (SettingsError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    if not entries:
        typer.echo(f"{collectors}: data_collection_plugins: has no enabled entry; add one, or enable one", err=True)
        raise typer.Exit(2)

    _need_sinks(collectors, entries)

    async def run() -> int:
        return await Process(settings, host, entries, collectors.parent).run()

    try:
        code = asyncio.run(run())
    except PortTakenError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(code)
