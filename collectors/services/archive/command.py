"""``sluice archive``: what it has, whether it is whole, and once by hand what the service does on and on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice.command_line.application import Panel
from sluice.command_line.completing import complete_topics

_CONFIG, _COLLECTORS = Path("sluice.yaml"), Path("collectors.yaml")


def register_archive(app: typer.Typer) -> None:
    """Add it to the ``sluice`` command."""
    app.command("archive", rich_help_panel=Panel.OPERATE)(archive)


def archive(
    action: Annotated[
        str, typer.Argument(help="list, verify, or run: archive at once what is over, as sluice collect does.")
    ] = "list",
    since: Annotated[str, typer.Option("--from", help="Hours from here on: -7d, a time, beginning.")] = "beginning",
    until: Annotated[str, typer.Option("--to", help="Hours that begin before this moment.")] = "now",
    topic: Annotated[
        list[str] | None,
        typer.Option("--topic", "-t", help="This one alone; may be repeated.", autocompletion=complete_topics),
    ] = None,
    against_log: Annotated[
        bool, typer.Option("--against-log", help="With verify: compare each record that the log still has.")
    ] = False,
    place: Annotated[
        str, typer.Option("--archive", metavar="FOLDER|s3://…", help="By default what collectors.yaml says.")
    ] = "",
    collectors: Annotated[Path, typer.Option("--collectors", help="Whose archive it is.")] = _COLLECTORS,
    config: Annotated[Path, typer.Option("--config", "-c", help="Where the event log is.")] = _CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: a JSON document in each line.")] = False,
) -> None:
    """Show the hours of the archive, or read it all and see whether it is whole; exits 1 where something is wrong.

    Example: sluice archive verify --from -7d --against-log
    """
    from collectors.operations.printing import Printer  # noqa: PLC0415 - polars is not loaded for `sluice --help`
    from collectors.operations.running import run  # noqa: PLC0415
    from collectors.services.archive import once as work  # noqa: PLC0415

    options = work.Options(action, since, until, tuple(topic or ()), against_log, place)
    run(lambda: work.archive(collectors, config, options, Printer(as_json=as_json)))
