"""How jobs stand, by their folders alone, whatever is in them."""

from __future__ import annotations

import os
from pathlib import Path

from collectors.jobs.folder import FAILURES, PLAN, PROGRESS, REPORT, JobFolder
from collectors.jobs.pulse import PULSE, Pulse
from collectors.jobs.standing import MAX_JOBS, asked_in, job_standing, jobs_standing

PLANNED = {"command": "replay", "wanted": {"topics": ["analytics"], "since": "-7d", "where": ""}, "sink": "search"}


def begun(data_dir: Path, name: str) -> JobFolder:
    """A job that somebody has begun."""
    return JobFolder.begin(data_dir, name, PLANNED)


def test_one_that_runs_shows_how_far_it_is(tmp_path: Path) -> None:
    """By its pulse, whatever a report of an earlier run says; with what was asked for, and by which process."""
    with begun(tmp_path, "january") as folder:
        folder.save_report({"state": "stopped", "read": 5, "problems": ["stopped before"]})
        Pulse(folder.path, lambda: 0.0).beat(3, 10, lambda: {"read": 7, "written": 6})
        found = job_standing(tmp_path, "january")
    assert (found["state"], found["process"], found["problems"]) == ("running", os.getpid(), [])
    assert (found["done"], found["total"], found["read"], found["written"]) == (3, 10, 7, 6)
    assert found["asked"] == {"topics": ["analytics"], "since": "-7d", "sink": "search"}


def test_one_that_has_ended_shows_its_report(tmp_path: Path) -> None:
    """Counts, problems and when; its last pulse counts for nothing."""
    with begun(tmp_path, "january") as folder:
        Pulse(folder.path, lambda: 0.0).beat(3, 10, lambda: {"read": 7})
        folder.save_report({"state": "complete", "read": 10, "failed": 1, "rate": 5.0, "problems": ["1 record"]})
    found = job_standing(tmp_path, "january")
    assert (found["state"], found["read"], found["failed"], found["rate"]) == ("complete", 10, 1, 5.0)
    assert (found["done"], found["problems"], found["process"]) == (None, ["1 record"], None)
    assert found["ended_at"] is not None


def test_one_that_was_killed_says_how_to_go_on(tmp_path: Path) -> None:
    """There is no report: how far it had come is in its last pulse."""
    with begun(tmp_path, "january") as folder:
        Pulse(folder.path, lambda: 0.0).beat(3, 10, lambda: {"read": 7})
    found = job_standing(tmp_path, "january")
    assert (found["state"], found["read"]) == ("broken off", 7)
    assert "sluice replay --resume january" in found["problems"][0]


def test_one_whose_lock_cannot_be_opened_hides_no_other(tmp_path: Path) -> None:
    """Such as a job of another user: it says that it is not known, and what its report says."""
    for name in ("theirs", "ours"):
        begun(tmp_path, name).close()
    lock = tmp_path / "jobs" / "theirs" / "lock"
    lock.unlink()
    lock.symlink_to(lock)  # whoever opens it is refused, root as well
    found = {each["job"]: each for each in jobs_standing(tmp_path)}
    assert found["theirs"]["state"] == "unknown"
    assert "whether it runs cannot be seen" in found["theirs"]["problems"][0]
    assert found["ours"]["state"] == "broken off"


def test_the_newest_come_first_and_not_all(tmp_path: Path) -> None:
    """A host that has run a thousand jobs shows the last ones."""
    for number in range(MAX_JOBS + 3):
        begun(tmp_path, f"job-{number}").close()
        os.utime(tmp_path / "jobs" / f"job-{number}" / PLAN, (number, number))
    names = [each["job"] for each in jobs_standing(tmp_path)]
    assert (len(names), names[0], names[-1]) == (MAX_JOBS, f"job-{MAX_JOBS + 2}", "job-3")
    assert jobs_standing(tmp_path / "nowhere") == []


def test_damaged_files_end_no_page(tmp_path: Path) -> None:
    """Garbage, another type, an empty file: the job is shown as far as it can be read."""
    folder = tmp_path / "jobs" / "damaged"
    for garbage in (b"", b"[1]", b"{", b'{"details": 7, "problems": 8, "read": "many", "counts": [], "wanted": "x"}'):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (PLAN, REPORT, PROGRESS, PULSE, FAILURES):
            (folder / name).write_bytes(garbage)
        found = job_standing(tmp_path, "damaged")
        assert (found["job"], found["read"], found["groups"]) == ("damaged", None, [])


def test_what_is_as_it_is_by_default_is_not_told() -> None:
    """Of every kind of job: its own options, and those that jobs share."""
    assert asked_in({"asked": {"reasons": ["bad_body"], "collector": "", "kinds": []}, "rate": 0.0}) == {
        "reasons": ["bad_body"]
    }
    assert asked_in({"reprice": {"version": "2"}, "rebuild": {"there": []}, "rate": 5.0}) == {
        "version": "2", "rate": 5.0, "rebuild": True,
    }  # fmt: skip
