"""``sluice redrive``: its arguments and its examples. The work is imported when it is done."""

from __future__ import annotations

from typing import Annotated

import typer

from collectors.jobs import options
from sluice.command_line.application import Panel
from sluice.command_line.completing import complete_entries, complete_kinds

_Letters = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="These alone, as sluice dead-letters list shows them.")
]
_Reasons = Annotated[list[str] | None, typer.Option("--reason", help="With one of these reasons, e.g. bad_body.")]
_Collector = Annotated[
    str,
    typer.Option(
        "--collector",
        help="Of this one; what its service could not decode goes to it alone.",
        autocompletion=complete_entries,
    ),
]
_Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="Of proxy_log, analytics, budget.", autocompletion=complete_kinds)
]
_From = Annotated[str, typer.Option("--from", help="-1h, a time, beginning: what became a dead letter since.")]
_To = Annotated[str, typer.Option("--to", help="What became one before; by default what is there now.")]
_GiveTo = Annotated[
    str,
    typer.Option(
        "--give-to", metavar="ENTRY", help="To this entry, whoever refused them.", autocompletion=complete_entries
    ),
]
_MaxRedrives = Annotated[
    int | None,
    typer.Option("--max-redrives", min=1, help="Leave what was given back so often; else the entry's, 3 by default."),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Count by reason, collector and redrives; write nothing.")]


def register_redrive(app: typer.Typer) -> None:
    """Add it to the ``sluice`` command."""
    app.command("redrive", rich_help_panel=Panel.OPERATE)(redrive)


def redrive(  # noqa: PLR0917 - each is an option of the command line
    letters: _Letters = None,
    reason: _Reasons = None,
    collector: _Collector = "",
    kind: _Kinds = None,
    since: _From = "",
    until: _To = "",
    give_to: _GiveTo = "",
    max_redrives: _MaxRedrives = None,
    dry_run: _DryRun = False,
    job: options.JobName = "",
    resume: options.Resume = "",
    collectors: options.CollectorsFile = options.COLLECTORS_FILE,
    config: options.Config = options.CONFIG_FILE,
    as_json: options.AsJson = False,
) -> None:
    """Give dead letters back to the collectors that refused them; live collectors do not notice.

    What is delivered, or was there already, is settled. What is refused again is a new dead letter that counts its
    redrives. Exits 1 where some were refused again or left, 2 where what was asked for is not there.

    Example: sluice redrive --reason strict_dynamic_mapping_exception --collector search --dry-run
    """
    from collectors.jobs.redrive import run as work  # noqa: PLC0415 - polars is not loaded for `sluice --help`
    from collectors.jobs.redrive.asking import RedriveOptions  # noqa: PLC0415
    from collectors.operations.printing import Printer  # noqa: PLC0415
    from collectors.operations.running import run  # noqa: PLC0415
    from sluice.logs import configure_logs  # noqa: PLC0415

    configure_logs("error")
    asked = RedriveOptions(
        tuple(letters or ()),
        tuple(reason or ()),
        collector,
        tuple(kind or ()),
        since,
        until,
        give_to,
        max_redrives,
        dry_run,
        job,
        resume,
    )
    run(lambda: work.redrive(config, collectors, asked, Printer(as_json=as_json)))
