"""What is asked for is kept as it was, and what cannot be is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors.jobs.interface import UsageError
from collectors.jobs.redrive.asking import RedriveOptions, job_folder
from tests.collectors.operations.benches import Seen

EVERYTHING = RedriveOptions(
    ("a/0/1",), ("bad_body",), "search", ("budget",), "-1h", "now", "store", 7, dry_run=True, job="mine", resume="x"
)


def test_a_plan_is_read_as_it_was_written() -> None:
    """All that says which letters go where; how the command was run is not of it."""
    kept = RedriveOptions.of(json.loads(json.dumps(EVERYTHING.asked())))
    assert kept.asked() == EVERYTHING.asked()
    assert (kept.dry_run, kept.job, kept.resume) == (False, "", "")
    wanted = kept.wanted(5, None)
    assert (wanted.kinds, wanted.reasons, wanted.ids) == (("budget",), ("bad_body",), frozenset({"a/0/1"}))


def test_moments_of_a_job_are_fixed(tmp_path: Path) -> None:
    """Relative ones when it is begun, not when it is resumed."""
    with job_folder(tmp_path, RedriveOptions(since="-1h", job="mine"), Seen().printer) as folder:
        plan = dict(folder.plan)
    with job_folder(tmp_path, RedriveOptions(resume="mine"), Seen().printer) as folder:
        assert folder.plan == plan
    assert plan["from_ms"] > 0
    assert plan["to_ms"] is None


def test_a_job_that_was_not_finished_is_named(tmp_path: Path) -> None:
    """The last redrive alone; whatever is damaged, or of another command, holds nobody up."""
    seen = Seen()
    for name, plan in (("first", "{"), ("other", '{"command": "replay"}')):
        (tmp_path / "jobs" / name).mkdir(parents=True)
        (tmp_path / "jobs" / name / "plan.json").write_text(plan)
    job_folder(tmp_path, RedriveOptions(job="second"), seen.printer).close()
    assert seen.err.getvalue() == ""
    job_folder(tmp_path, RedriveOptions(job="third"), seen.printer).close()
    assert "job second was not finished" in seen.err.getvalue()


def test_a_job_of_another_command_is_let_go(tmp_path: Path) -> None:
    """Refused, and its lock is free again."""
    (tmp_path / "jobs" / "other").mkdir(parents=True)
    (tmp_path / "jobs" / "other" / "plan.json").write_text('{"command": "replay"}')
    for _ in range(2):
        with pytest.raises(UsageError, match="'other' is no redrive, but a replay"):
            job_folder(tmp_path, RedriveOptions(resume="other"), Seen().printer)
