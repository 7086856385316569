"""``sluice budget-truth``: what was spent as the log says it, and whether others agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice.command_line.application import Panel

_Config = Annotated[Path, typer.Option("--config", "-c", help="Where the event log is: the gateway's own file.")]
_Collectors = Annotated[Path, typer.Option("--collectors", help="What is carried where.")]
_AsJson = Annotated[bool, typer.Option("--json", help="For scripts: a JSON document in each line.")]


def register_budget_truth(app: typer.Typer) -> None:
    """Add it to the ``sluice`` command."""
    app.command("budget-truth", rich_help_panel=Panel.OPERATE)(budget_truth)


def budget_truth(
    action: Annotated[
        str,
        typer.Argument(
            help="status (totals, what they cover, gaps, differences to the ledger), check (ask the ledger now), "
            "rebuild (count the log anew and compare), rewind (have the log read again: what is known changes nothing)."
        ),
    ] = "status",
    collectors: _Collectors = Path("collectors.yaml"),
    config: _Config = Path("sluice.yaml"),
    as_json: _AsJson = False,
) -> None:
    """Show what was spent as counted from the log, compare it with the ledger, or count it anew.

    Exits 1 where the ledger differs, numbers are missing for long, nobody counts, or a rebuild comes to another total.

    Example: sluice budget-truth status --json
    """
    from collectors.operations.printing import Printer  # noqa: PLC0415 - polars is not loaded for `sluice --help`
    from collectors.operations.running import run  # noqa: PLC0415
    from collectors.services.budget_truth import asking as work  # noqa: PLC0415

    run(lambda: work.budget_truth(action, config, collectors, Printer(as_json=as_json)))
