"""``sluice reconcile``: the comparison once, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice.command_line.application import Panel
from sluice.command_line.completing import complete_entries, complete_kinds

_CONFIG, _COLLECTORS = Path("sluice.yaml"), Path("collectors.yaml")


def register_reconcile(app: typer.Typer) -> None:
    """Add it to the ``sluice`` command."""
    app.command("reconcile", rich_help_panel=Panel.OPERATE)(reconcile)


def reconcile(
    since: Annotated[str, typer.Option("--from", help="Exchanges from here on: -1h, a time, beginning.")] = "-1d",
    until: Annotated[str, typer.Option("--to", help="Before this moment.")] = "now",
    sink: Annotated[
        list[str] | None,
        typer.Option(help="This entry of collectors.yaml alone; may be repeated.", autocompletion=complete_entries),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="Of proxy_log, analytics, budget; may be repeated.", autocompletion=complete_kinds),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="List so many differences of each comparison; 0 is all.")] = 100,
    expect_all: Annotated[
        bool, typer.Option("--expect-all", help="What a service has not acknowledged yet is missing too.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write what is listed into this file too.")] = None,
    collectors: Annotated[Path, typer.Option("--collectors", help="What is carried where.")] = _COLLECTORS,
    config: Annotated[Path, typer.Option("--config", "-c", help="Where the event log is.")] = _CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: a JSON document in each line.")] = False,
) -> None:
    """Compare what gateways reported with the log, and the log with what each sink holds; exits 1 where they differ.

    Example: sluice reconcile --from -1d --sink search --json
    """
    from collectors.operations.printing import Printer  # noqa: PLC0415 - polars is not loaded for `sluice --help`
    from collectors.operations.running import run  # noqa: PLC0415
    from collectors.services.reconcile import once as work  # noqa: PLC0415

    options = work.Options(since, until, tuple(sink or ()), tuple(kind or ()), limit, expect_all, csv)
    run(lambda: work.reconcile(collectors, config, options, Printer(as_json=as_json)))
