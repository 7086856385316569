"""What a job must not forget is there, whole, whoever was killed when; and only one process works on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from collectors.jobs.folder import PLAN, PROGRESS, JobFolder, checked_name, is_running, jobs_in, new_job_name
from collectors.jobs.interface import UsageError
from sluice.eventlog.interface import EventLogError


def test_a_plan_never_changes_and_progress_is_replaced(tmp_path: Path) -> None:
    """Whoever resumes finds what was asked for, and what was last saved."""
    with JobFolder.begin(tmp_path, "january", {"sink": "es", "ranges": [1, 2]}) as folder:
        assert folder.progress() is None
        folder.save_progress({"next": 1})
        folder.save_progress({"next": 2})
        folder.save_report({"read": 5})
    with JobFolder.resume(tmp_path, "january") as folder:
        assert (folder.name, folder.plan) == ("january", {"sink": "es", "ranges": [1, 2]})
        assert (folder.progress(), folder.report()) == ({"next": 2}, {"read": 5})
    assert not list((tmp_path / "jobs" / "january").glob("*.tmp"))


def test_a_name_is_given_once(tmp_path: Path) -> None:
    """The message says how to go on with the job that has it."""
    JobFolder.begin(tmp_path, "january", {}).close()
    with pytest.raises(UsageError, match=r"already.*--resume january.*another name"):
        JobFolder.begin(tmp_path, "january", {})


def test_who_resumes_what_is_not_there_is_told_what_is(tmp_path: Path) -> None:
    """And no folder is left behind by asking."""
    with pytest.raises(UsageError, match="there are: none"):
        JobFolder.resume(tmp_path, "x")
    JobFolder.begin(tmp_path, "january", {}).close()
    with pytest.raises(UsageError, match=r"no job 'februrary'.*there are: january"):
        JobFolder.resume(tmp_path, "februrary")
    assert jobs_in(tmp_path) == ["january"]


def test_two_cannot_work_on_one_job(tmp_path: Path) -> None:
    """Whichever way they come; the one that holds it is named, and a killed holder holds nothing."""
    hold = (
        "import sys, time; from pathlib import Path; from collectors.jobs.folder import JobFolder\n"
        "folder = JobFolder.begin(Path(sys.argv[1]), 'january', {}); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_running(tmp_path, "january")
        with pytest.raises(UsageError, match=f"being worked on by process {holder.pid}"):
            JobFolder.resume(tmp_path, "january")
        with pytest.raises(UsageError, match=f"process {holder.pid}.*--job"):
            JobFolder.begin(tmp_path, "january", {})
        with JobFolder.begin(tmp_path, "february", {}):
            holder.kill()
            holder.wait()
    assert not is_running(tmp_path, "january")
    JobFolder.resume(tmp_path, "january").close()


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "x" * 81, "a b", "ä", "-x"])
def test_a_name_can_be_a_folder(name: str, tmp_path: Path) -> None:
    """Nothing leaves the jobs' folder by its name."""
    with pytest.raises(UsageError, match="no name for a job"):
        JobFolder.begin(tmp_path, name, {})
    with pytest.raises(UsageError, match="no name for a job"):
        JobFolder.resume(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_new_names_are_names_and_differ() -> None:
    """Also in one second."""
    names = {new_job_name("replay") for _ in range(50)}
    assert len(names) > 45
    assert all(checked_name(name).startswith("replay-") for name in names)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_damage_is_said(content: bytes, tmp_path: Path) -> None:
    """A file that somebody broke is not taken for an empty one: everything would be written again."""
    with JobFolder.begin(tmp_path, "january", {}) as folder:
        (folder.path / PROGRESS).write_bytes(content)
        with pytest.raises(UsageError, match=r"damaged.*another name"):
            folder.progress()
        (folder.path / PLAN).write_bytes(content)
    with pytest.raises(UsageError, match="damaged"):
        JobFolder.resume(tmp_path, "january")
    assert not is_running(tmp_path, "january")


def test_a_file_where_the_folder_should_be_is_said(tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "jobs").write_bytes(b"")
    with pytest.raises(UsageError, match=r"cannot be written.*make data_dir writable"):
        JobFolder.begin(tmp_path, "january", {})


@pytest.mark.parametrize("name", ["progress", "report"])
def test_a_folder_that_cannot_be_written_is_said(name: str, tmp_path: Path) -> None:
    """With what to do, and as something that commands know; what was saved before is still there."""
    with JobFolder.begin(tmp_path, "job", {}) as folder:
        save = getattr(folder, f"save_{name}")
        save({"at": 1})
        (folder.path / f"{name}.json.tmp").mkdir()  # whoever we are, this cannot be opened as a file
        with pytest.raises(EventLogError, match=r"jobs/job cannot be written: .*; make room, or make it writable"):
            save({"at": 2})
        assert getattr(folder, name)() == {"at": 1}


def test_a_plan_that_cannot_be_kept_begins_no_job(tmp_path: Path) -> None:
    """And the name is free for the next try."""
    blocked = tmp_path / "jobs" / "job" / "plan.json.tmp"
    blocked.mkdir(parents=True)
    with pytest.raises(EventLogError, match="cannot be written"):
        JobFolder.begin(tmp_path, "job", {})
    blocked.rmdir()
    JobFolder.begin(tmp_path, "job", {}).close()
