"""What a redrive is asked for, and the plan that is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import orjson

from collectors.jobs.folder import JOBS_FOLDER, PLAN, REPORT, JobFolder, jobs_in, new_job_name
from collectors.jobs.interface import UsageError
from collectors.jobs.options import differences
from collectors.jobs.redrive.survey import Wanted
from collectors.operations.marks import place_in
from collectors.operations.moments import moment_ms
from collectors.operations.printing import Printer
from schemas.events import Kind

COMMAND = "redrive"
_ID_FORM = "an id is TOPIC/PARTITION/OFFSET (or JOURNAL/NUMBER/OFFSET), as sluice dead-letters list shows it"


@dataclass(frozen=True, slots=True)
class RedriveOptions:
    """Which letters, and how; as it was given."""

    letters: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    collector: str = ""
    kinds: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    give_to: str = ""
    max_redrives: int | None = None
    dry_run: bool = False
    job: str = ""
    resume: str = ""

    def asked(self) -> dict[str, Any]:
        """For a plan: all that says which letters go where."""
        facts = asdict(self)
        for name in ("dry_run", "job", "resume"):
            del facts[name]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> RedriveOptions:
        """As ``asked`` made them."""
        facts: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in asked.items()
        }
        return cls(**facts)

    def wanted(self, from_ms: int, to_ms: int | None) -> Wanted:
        """Which letters; raises UsageError."""
        for letter in self.letters:
            if place_in(letter) is None:
                raise UsageError(f"{letter!r} is no id; {_ID_FORM}")
        kinds: list[Kind] = [kind for kind in get_args(Kind) if kind in self.kinds]
        if strange := [kind for kind in self.kinds if kind not in kinds]:
            raise UsageError(f"--kind: {strange[0]!r} is none of {', '.join(get_args(Kind))}")
        return Wanted(tuple(kinds), self.reasons, frozenset(self.letters), from_ms, to_ms)


def job_folder(data_dir: Path, options: RedriveOptions, printer: Printer) -> JobFolder:
    """A new job's, with what was asked for; or one that was begun before, which must be as it was."""
    if not options.resume:
        asked = options.asked()
        from_ms = moment_ms(options.since or "beginning", "--from")
        to_ms = moment_ms(options.until, "--to") if options.until else None
        options.wanted(from_ms, to_ms)
        _note_unfinished(data_dir, printer)
        plan = {"command": COMMAND, "asked": asked, "from_ms": from_ms, "to_ms": to_ms}
        return JobFolder.begin(data_dir, options.job or new_job_name(COMMAND), plan)
    folder = JobFolder.resume(data_dir, options.resume)
    if (strange := _strange(folder.plan, options)) is not None:
        folder.close()
        raise UsageError(f"--resume: {options.resume!r} {strange}")
    return folder


def _strange(plan: Mapping[str, Any], options: RedriveOptions) -> str | None:
    """Why this job cannot be gone on with so."""
    if plan.get("command") != COMMAND:
        return f"is no {COMMAND}, but a {plan.get('command')}"
    differs = differences(plan["asked"], options.asked(), RedriveOptions().asked())
    return f"was asked for otherwise ({', '.join(differs)}); leave that out" if differs else None


def _note_unfinished(data_dir: Path, printer: Printer) -> None:
    """Files and objects are named by their job: only that one knows what it wrote last."""
    for name in reversed(jobs_in(data_dir)):
        folder = data_dir / JOBS_FOLDER / name
        if _read(folder / PLAN).get("command") != COMMAND:
            continue
        if _read(folder / REPORT).get("state") != "complete":
            printer.note(
                f"job {name} was not finished: where letters go to files or objects, go on with it by --resume {name}, "
                "lest an event is in two of them"
            )
        return


def _read(path: Path) -> dict[str, Any]:
    """What another job said, as far as it did."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
