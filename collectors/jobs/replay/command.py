"""``sluice replay``: its arguments and its examples. The work is imported when it is done."""

from __future__ import annotations

import typer

from collectors.jobs import options
from sluice.command_line.application import Panel


def register_replay(app: typer.Typer) -> None:
    """Add it to the ``sluice`` command."""
    app.command("replay", rich_help_panel=Panel.OPERATE)(replay)


def replay(
    *,
    topic: options.TopicNames = None,
    since: options.From = "",
    until: options.To = "",
    by: options.By = "appended",
    partition: options.Partitions = None,
    offset_from: options.OffsetFrom = None,
    offset_to: options.OffsetTo = None,
    since_letter: options.SinceLetter = "",
    where: options.Filter = "",
    archive: options.Archive = "",
    sink: options.SinkName = "",
    to_topic: options.ToTopic = "",
    rate: options.Rate = 0.0,
    dry_run: options.DryRun = False,
    job: options.JobName = "",
    resume: options.Resume = "",
    rebuild: options.RebuildOption = False,
    swap: options.Swap = False,
    delete_old: options.DeleteOld = False,
    undo: options.Undo = False,
    yes: options.Yes = False,
    collectors: options.CollectorsFile = options.COLLECTORS_FILE,
    config: options.Config = options.CONFIG_FILE,
    as_json: options.AsJson = False,
) -> None:
    """Carry a range of the log once more to a sink, or to a topic; live collectors do not notice.

    It ends where the log ended when it began. What the sink has already is not changed. Exits 1 where something could
    not be written, or the job was stopped; 2 where what was asked for is not there.

    Example: sluice replay --topic analytics --from -7d --filter 'app_id = 7' --sink es-main

    Example: sluice replay --archive s3://company-logs/sluice --from 2026-01-01 --to 2026-02-01 --sink es-main

    Example: sluice replay --from -7d --sink es-main --rebuild --swap --job january-again
    """
    from collectors.jobs.rebuild.job import RebuildOptions  # noqa: PLC0415
    from collectors.jobs.replay.plan import ReplayOptions  # noqa: PLC0415 - polars is not loaded for --help
    from collectors.jobs.replay.run import replay as work  # noqa: PLC0415 - as above
    from collectors.operations.printing import Printer  # noqa: PLC0415
    from collectors.operations.running import run  # noqa: PLC0415
    from sluice.logs import configure_logs  # noqa: PLC0415
    from sluice.memory import MANY, settle_memory  # noqa: PLC0415

    configure_logs("error")

    wanted = options.RangeOptions(
        tuple(topic or ()), since, until, by, tuple(partition or ()), offset_from, offset_to, since_letter, where
    )
    rebuilding = RebuildOptions(rebuild, swap, delete_old, undo, yes)
    asked = ReplayOptions(
        wanted, options.JobOptions(job, resume, rate, dry_run, yes), sink, to_topic, rebuilding, archive
    )
    settle_memory(MANY)
    run(lambda: work(config, collectors, asked, Printer(as_json=as_json)))
