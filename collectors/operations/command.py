"""What operators may ask for: the commands, their arguments and their examples. The work is imported when it is done.

Exit codes: 0 all is well, 1 something is wrong, 2 it was asked for something that there is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice.command_line.application import Panel
from sluice.command_line.completing import (
    complete_entries,
    complete_files,
    complete_kinds,
    complete_services,
    complete_topics,
)

_Config = Annotated[
    Path,
    typer.Option(
        "--config", "-c", help="Where the event log is: the gateway's own file.", autocompletion=complete_files
    ),
]
_Collectors = Annotated[
    Path, typer.Option("--collectors", help="What is carried where.", autocompletion=complete_files)
]
_AsJson = Annotated[bool, typer.Option("--json", help="For scripts: a JSON document in each line.")]
_Limit = Annotated[int, typer.Option(min=0, help="So many at most; 0 is all.")]

_CONFIG, _COLLECTORS = Path("sluice.yaml"), Path("collectors.yaml")


def register_operations(app: typer.Typer) -> None:
    """Add them to the ``sluice`` command."""
    app.command("topics", rich_help_panel=Panel.OPERATE)(topics)
    app.command("tail", rich_help_panel=Panel.OPERATE)(tail)
    app.command("dead-letters", rich_help_panel=Panel.OPERATE)(dead_letters)
    app.command("collectors", rich_help_panel=Panel.OPERATE)(collectors_)
    app.command("gateways", rich_help_panel=Panel.OPERATE)(gateways_)
    app.command("retention", rich_help_panel=Panel.OPERATE)(retention)


def topics(
    action: Annotated[str, typer.Argument(help="list, create (what is missing), or lag (by group).")] = "list",
    group: Annotated[str, typer.Option(help="With lag: this group alone.")] = "",
    collectors: _Collectors = _COLLECTORS,
    config: _Config = _CONFIG,
    as_json: _AsJson = False,
) -> None:
    """Show the topics of the log, make those that are missing, or show how far behind each group is.

    Exits 1 where a topic is missing or differs, or where less than a fifth of the retention is left of what a group
    has not read.

    Example: sluice topics lag --json
    """
    from collectors.operations import topics as work  # noqa: PLC0415 - aiokafka is not loaded for `sluice --help`
    from collectors.operations.printing import Printer  # noqa: PLC0415
    from collectors.operations.running import run  # noqa: PLC0415

    run(lambda: work.topics(action, config, collectors, group, Printer(as_json=as_json)))


def tail(
    topic: Annotated[
        str,
        typer.Argument(
            help="A kind (analytics), events, dead-letters, alert, …, or a topic's whole name.",
            autocompletion=complete_topics,
        ),
    ] = "events",
    since: Annotated[
        str, typer.Option("--from", help="-10m, a time, beginning, now; by default now, without follow the beginning.")
    ] = "",
    follow: Annotated[bool, typer.Option(help="Wait for what comes, or end with what is there.")] = True,
    limit: _Limit = 0,
    where: Annotated[str, typer.Option(help="Only those, e.g. 'app_id = 7 and outcome != ok'.")] = "",
    config: _Config = _CONFIG,
    as_json: _AsJson = False,
) -> None:
    """Show records of the log, decoded, and follow it; no collector notices. Ctrl-C ends it.

    Exits 1 where the log cannot be read, 2 where there is no such topic or --where makes no sense.

    Example: sluice tail analytics --from -10m --where 'app_id = 7' --json
    """
    from collectors.operations import tail as work  # noqa: PLC0415 - as above
    from collectors.operations.printing import Printer  # noqa: PLC0415
    from collectors.operations.running import run  # noqa: PLC0415

    options = work.TailOptions(topic, since, follow, limit, where)
    run(lambda: work.tail(config, options, Printer(as_json=as_json)))


def dead_letters(  # noqa: PLR0917 - each is an option of the command line
    action: Annotated[str, typer.Argument(help="list, show ID, or count.")] = "list",
    letter: Annotated[str, typer.Argument(metavar="ID", help="With show: as list shows it.")] = "",
    kind: Annotated[str, typer.Option(help="Of proxy_log, analytics, budget.", autocompletion=complete_kinds)] = "",
    collector: Annotated[
        str, typer.Option(help="Of this collector, or service.", autocompletion=complete_entries)
    ] = "",
    reason: Annotated[str, typer.Option(help="With this reason, e.g. bad_body.")] = "",
    since: Annotated[str, typer.Option("--from", help="-1h, a time, beginning.")] = "beginning",
    until: Annotated[str, typer.Option("--to", help="Before this moment.")] = "now",
    all_of_them: Annotated[bool, typer.Option("--all", help="Those that a redrive settled too.")] = False,
    limit: _Limit = 0,
    config: _Config = _CONFIG,
    as_json: _AsJson = False,
) -> None:
    """List open dead letters, show one whole, or count them by reason and collector; exits 1 where any is open.

    Example: sluice dead-letters count --from -1d
    """
    from collectors.operations import dead_letters as work  # noqa: PLC0415 - as above
    from collectors.operations.printing import Printer  # noqa: PLC0415
    from collectors.operations.running import run  # noqa: PLC0415

    options = work.LetterOptions(action, letter, work.Wanted(kind, collector, reason), since, until, limit, all_of_them)
    run(lambda: work.dead_letters(config, options, Printer(as_json=as_json)))


def collectors_(
    service: Annotated[str, typer.Argument(help="This one alone.", autocompletion=complete_services)] = "",
    action: Annotated[str, typer.Argument(help="pause, or resume.")] = "",
    url: Annotated[str, typer.Option(help="Of their server; by default what collectors.yaml says.")] = "",
    collectors: _Collectors = _COLLECTORS,
    as_json: _AsJson = False,
) -> None:
    """Show the services of a running `sluice collect`, or pause or resume one; exits 1 where one is not well.

    Example: sluice collectors search pause
    """
    from collectors.operations import collectors as work  # noqa: PLC0415 - as above
    from collectors.operations.printing import Printer  # noqa: PLC0415
    from collectors.operations.running import run  # noqa: PLC0415

    run(lambda: work.collectors(collectors, url, service, action, Printer(as_json=as_json)))


def gateways_(
    since: Annotated[str, typer.Option("--from", help="Boots that reported since: -3h, a time, beginning.")] = "-3h",
    config: _Config = _CONFIG,
    as_json: _AsJson = False,
) -> None:
    """Show what each worker of each gateway reported of itself; exits 1 where one neither reports nor has ended.

    Example: sluice gateways --from -1d
    """
    from collectors.operations import gateways as work  # noqa: PLC0415 - as above
    from collectors.operations.printing import Printer  # noqa: PLC0415
    from collectors.operations.running import run  # noqa: PLC0415

    run(lambda: work.gateways(config, since, Printer(as_json=as_json)))


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go; delete nothing.")] = False,
    store: Annotated[
        str, typer.Option(help="Of this store alone, as the settings name it.", autocompletion=complete_entries)
    ] = "",
    collectors: _Collectors = _COLLECTORS,
    config: _Config = _CONFIG,
    as_json: _AsJson = False,
) -> None:
    """Delete what is older, or more, than `retention` of collectors.yaml allows; exits 1 where that was not possible.

    Example: sluice retention --dry-run
    """
    from collectors.operations import retention as work  # noqa: PLC0415 - as above
    from collectors.operations.printing import Printer  # noqa: PLC0415
    from collectors.operations.running import run  # noqa: PLC0415

    run(lambda: work.retention(collectors, config, store, Printer(as_json=as_json), dry_run=dry_run))
