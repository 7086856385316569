"""The options of ``sluice up``. The work, ``sluice.up``, is imported when it is done."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice.command_line.completing import complete_files

Config = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", help="The gateway's settings.", autocompletion=complete_files),
]
Collectors = Annotated[
    Path, typer.Option("--collectors", metavar="FILE", help="The collectors' settings.", autocompletion=complete_files)
]
Demo = Annotated[bool, typer.Option("--demo", help="Settings, a token, a vendor and traffic of our own.")]
Once = Annotated[bool, typer.Option("--once", help="With --demo: end after it, 0 if all arrived.")]
Real = Annotated[bool, typer.Option("--real", help="With --demo: over a real Kafka and Elasticsearch.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what the services log.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts: one JSON object on standard output.")]


def up(
    config: Config = Path("sluice.yaml"),
    collectors: Collectors = Path("collectors.yaml"),
    demo: Demo = False,
    once: Once = False,
    real: Real = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Run the gateway and the collectors, and start again what dies; Ctrl-C drains them within 10 s.

    Exits 1 where nothing could be started, or where the demo did not show what it should.

    Example: sluice up --demo

    Example: sluice up --config sluice.yaml --collectors collectors.yaml
    """
    from sluice.up import run_up  # noqa: PLC0415 - pydantic is not loaded for `sluice --help`

    run_up(config, collectors, demo=demo, once=once, real=real, verbose=verbose, as_json=as_json)
