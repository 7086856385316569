"""What jobs may be asked for: the options that they share, in one place, with what becomes of them.

Typer reads the annotated names; ``RangeOptions`` and ``JobOptions`` are what commands hand on.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sluice.command_line.completing import complete_entries, complete_files, complete_topics

Moment = Literal["appended", "occurred"]


def _finite(rate: float) -> float:
    if not math.isfinite(rate):
        message = f"{rate} is no number of events; 0 is all that it can"
        raise typer.BadParameter(message)
    return rate


Config = Annotated[
    Path,
    typer.Option(
        "--config", "-c", help="Where the event log is: the gateway's own file.", autocompletion=complete_files
    ),
]
CollectorsFile = Annotated[
    Path, typer.Option("--collectors", help="Whose entries --sink names.", autocompletion=complete_files)
]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts: a JSON document in each line.")]
TopicNames = Annotated[
    list[str] | None,
    typer.Option(
        "--topic",
        "-t",
        help="analytics, proxy-log, budget, or a topic's whole name; by default all three.",
        autocompletion=complete_topics,
    ),
]
From = Annotated[str, typer.Option("--from", help="-1d, 2026-11-01T00:00Z, beginning: what was appended since.")]
To = Annotated[str, typer.Option("--to", help="What was appended before; by default what is there now.")]
By = Annotated[str, typer.Option("--by", help="What --from and --to mean: appended (to the log), or occurred.")]
Partitions = Annotated[list[str] | None, typer.Option("--partition", "-p", help="A number, or a journal's name.")]
OffsetFrom = Annotated[int | None, typer.Option("--offset-from", min=0, help="The first offset; of one partition.")]
OffsetTo = Annotated[int | None, typer.Option("--offset-to", min=0, help="Before this offset; of one partition.")]
SinceLetter = Annotated[
    str, typer.Option("--since-letter", metavar="ID", help="From the record on that this dead letter was.")
]
Filter = Annotated[str, typer.Option("--filter", help="SQL, e.g. 'app_id = 7 and cost_nanos > 1000000'.")]
SinkName = Annotated[str, typer.Option("--sink", help="An entry of collectors.yaml.", autocompletion=complete_entries)]
ToTopic = Annotated[str, typer.Option("--to-topic", help="A topic of the same log: the records as they are.")]
Rate = Annotated[
    float,
    typer.Option("--rate", min=0, callback=_finite, help="So many events a second at most; 0 is all that it can."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count, exactly; write nothing.")]
JobName = Annotated[str, typer.Option("--job", help="What to call it; by default its command and the time.")]
Resume = Annotated[str, typer.Option("--resume", metavar="JOB", help="Go on with this job, as it was asked for.")]
Archive = Annotated[
    str,
    typer.Option(
        "--archive",
        metavar="FOLDER|s3://…",
        help="Read what was archived and not the log: by `archive` of collectors.yaml, by sink://file or sink://s3.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it although something speaks against it.")]
RebuildOption = Annotated[
    bool, typer.Option("--rebuild", help="Into indices of the job's own, outside of what anybody reads.")
]
Swap = Annotated[
    bool, typer.Option("--swap", help="Put each rebuilt day in the place of the old one, if it equals the log.")
]
DeleteOld = Annotated[bool, typer.Option("--delete-old", help="With --swap: keep nothing of what was replaced.")]
Undo = Annotated[bool, typer.Option("--undo", help="With --resume: what was kept takes its place again.")]

COLLECTORS_FILE, CONFIG_FILE = Path("collectors.yaml"), Path("sluice.yaml")


@dataclass(frozen=True, slots=True)
class RangeOptions:
    """Which records; as they were given."""

    topics: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    by: str = "appended"
    partitions: tuple[str, ...] = ()
    offset_from: int | None = None
    offset_to: int | None = None
    since_letter: str = ""
    where: str = ""
    """``--filter``."""

    def as_dict(self) -> dict[str, Any]:
        """For a plan."""
        return asdict(self) | {"topics": list(self.topics), "partitions": list(self.partitions)}

    @classmethod
    def of(cls, facts: dict[str, Any]) -> RangeOptions:
        """As ``as_dict`` made them."""
        return cls(**(facts | {"topics": tuple(facts["topics"]), "partitions": tuple(facts["partitions"])}))


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How to do it; as it was given."""

    job: str = ""
    resume: str = ""
    rate: float = 0.0
    dry_run: bool = False
    yes: bool = False


def differences(planned: dict[str, Any], given: dict[str, Any], default: dict[str, Any]) -> list[str]:
    """The names of what was given with a resumed job, and is not as its plan has it."""
    return [name for name, value in given.items() if value != default.get(name) and value != planned.get(name)]
