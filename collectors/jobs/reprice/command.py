"""``sluice reprice``: its arguments and its examples. The work is imported when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from collectors.jobs import options
from sluice.command_line.application import Panel

PriceVersion = Annotated[
    str,
    typer.Option("--price-version", help="What the corrected prices call their version; a base table says it itself."),
]
PricesOption = Annotated[
    str,
    typer.Option(
        "--prices", help="A file with prices (by default --config), a base table (.jsonl), base, or control (the API)."
    ),
]
CorrectionsOption = Annotated[
    bool, typer.Option("--corrections", help="Publish what budgets were charged wrongly, once for each version.")
]
Estimated = Annotated[bool, typer.Option("--estimated", help="Price estimated usage again too; it stays an estimate.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write the difference by app and model there, in nanos.")]


def register_reprice(app: typer.Typer) -> None:
    """Add it to the ``sluice`` command."""
    app.command("reprice", rich_help_panel=Panel.OPERATE)(reprice)


def reprice(
    *,
    price_version: PriceVersion = "",
    prices: PricesOption = "",
    since: options.From = "",
    until: options.To = "",
    by: options.By = "appended",
    partition: options.Partitions = None,
    where: options.Filter = "",
    estimated: Estimated = False,
    csv: Csv = None,
    rebuild: options.RebuildOption = False,
    sink: options.SinkName = "",
    swap: options.Swap = False,
    delete_old: options.DeleteOld = False,
    undo: options.Undo = False,
    corrections: CorrectionsOption = False,
    rate: options.Rate = 0.0,
    dry_run: options.DryRun = False,
    job: options.JobName = "",
    resume: options.Resume = "",
    yes: options.Yes = False,
    collectors: options.CollectorsFile = options.COLLECTORS_FILE,
    config: options.Config = options.CONFIG_FILE,
    as_json: options.AsJson = False,
) -> None:
    """Say what exchanges cost by other prices, from what their vendors counted; rebuild and correct by them.

    By itself it only reports, by app and model. --rebuild makes the analytics of the range anew, to be verified and
    swapped in; --corrections charges or gives back the difference. Exits 1 where something is not as it should be; 2
    where what was asked for is not there.

    Example: sluice reprice --price-version 2026-11-02 --from 2026-11-01T00:00Z --to 2026-11-02T00:00Z --by occurred
    """
    from collectors.jobs.rebuild.job import RebuildOptions  # noqa: PLC0415 - polars is not loaded for --help
    from collectors.jobs.reprice.plan import RepriceOptions  # noqa: PLC0415 - as above
    from collectors.jobs.reprice.run import reprice as work  # noqa: PLC0415 - as above
    from collectors.operations.printing import Printer  # noqa: PLC0415 - as above
    from collectors.operations.running import run  # noqa: PLC0415 - as above
    from sluice.logs import configure_logs  # noqa: PLC0415 - as above

    configure_logs("error")
    asked = RepriceOptions(
        version=price_version,
        prices=prices if prices in {"", "base", "control"} else str(Path(prices).resolve()),
        wanted=options.RangeOptions((), since, until, by, tuple(partition or ()), where=where),
        how=options.JobOptions(job, resume, rate, dry_run, yes),
        sink=sink,
        rebuild=RebuildOptions(rebuild, swap, delete_old, undo, yes),
        corrections=corrections,
        estimated=estimated,
        csv=csv,
    )
    run(lambda: work(config, collectors, asked, Printer(as_json=as_json)))
