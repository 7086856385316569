"""Where a job keeps what it must not forget: ``<data_dir>/jobs/<job>/``.

plan.json       what was asked for, and the ranges as they were fixed; never changes
progress.json   how far it is, replaced whole and synced
failures.jsonl  what could not be written, a record a line
report.json     what came of it
lock            held by the process that works on it, and gone with it
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson

from collectors.jobs.interface import UsageError
from sluice.clock import now_micros
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.lock import FileLock, JournalBusyError, is_held

JOBS_FOLDER = "jobs"
PLAN, PROGRESS, FAILURES, REPORT, LOCK = "plan.json", "progress.json", "failures.jsonl", "report.json", "lock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def new_job_name(command: str) -> str:
    """What a job is called that was given no name: its command and the time."""
    at = datetime.fromtimestamp(now_micros() // 1_000_000, UTC)
    return f"{command}-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def checked_name(name: str, option: str = "--job") -> str:
    """The name, where a folder and an index can bear it; raises UsageError."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{option}: {name!r} is no name for a job; use at most 80 letters, digits, dots, dashes and underscores, "
            "such as january-again"
        )
    return name


class JobFolder:
    """One job's, locked while it is open. Use it as a context, or ``close`` it."""

    def __init__(self, path: Path, plan: dict[str, Any], lock: FileLock) -> None:
        self.path = path
        self.plan = plan
        self._lock = lock

    @property
    def name(self) -> str:
        """The job's."""
        return self.path.name

    @classmethod
    def begin(cls, data_dir: Path, name: str, plan: Mapping[str, Any]) -> Self:
        """A new job with this plan, which must be JSON. UsageError where there is one of this name already."""
        path = _path(data_dir, name)
        lock = _locked(path)
        try:
            _hold_new(path)
            try:
                _replace(path / PLAN, orjson.dumps(plan, option=orjson.OPT_INDENT_2))
            except OSError as error:
                raise unwritable(path, error) from error
            return cls(path, orjson.loads((path / PLAN).read_bytes()), lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def resume(cls, data_dir: Path, name: str) -> Self:
        """A job that was begun before. UsageError names those that there are."""
        path = _path(data_dir, name, "--resume")
        if not (path / PLAN).exists():
            known = ", ".join(jobs_in(data_dir)) or "none"
            raise UsageError(f"--resume: there is no job {name!r} in {path.parent}; there are: {known}")
        lock = _locked(path)
        try:
            return cls(path, _loaded(path / PLAN), lock)
        except BaseException:
            lock.release()
            raise

    @property
    def failures(self) -> Path:
        """Where the failures file is, whether there is one or not."""
        return self.path / FAILURES

    def progress(self) -> dict[str, Any] | None:
        """What was last saved; ``None`` before anything was."""
        return _loaded(self.path / PROGRESS) if (self.path / PROGRESS).exists() else None

    def save_progress(self, progress: Mapping[str, Any]) -> None:
        """On disk when this returns: whoever resumes sees this or the one before. Raises EventLogError."""
        try:
            _replace(self.path / PROGRESS, orjson.dumps(progress))
        except OSError as error:
            raise unwritable(self.path, error) from error

    def report(self) -> dict[str, Any] | None:
        """What was last reported of it."""
        return _loaded(self.path / REPORT) if (self.path / REPORT).exists() else None

    def save_report(self, report: Mapping[str, Any]) -> None:
        """The same of what came of it; raises EventLogError."""
        try:
            _replace(self.path / REPORT, orjson.dumps(report, option=orjson.OPT_INDENT_2))
        except OSError as error:
            raise unwritable(self.path, error) from error

    def close(self) -> None:
        """Let another process have it. Twice is once."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def unwritable(path: Path, error: OSError) -> EventLogError:
    """What is said where a job cannot keep what it must not forget."""
    return EventLogError(f"{path} cannot be written: {error.strerror}; make room, or make it writable")


def jobs_in(data_dir: Path) -> list[str]:
    """The names of all jobs, the newest last."""
    plans = sorted((data_dir / JOBS_FOLDER).glob(f"*/{PLAN}"), key=lambda path: path.stat().st_mtime)
    return [path.parent.name for path in plans]


def is_running(data_dir: Path, name: str) -> bool:
    """Whether a process works on this job."""
    return is_held(data_dir / JOBS_FOLDER / name / LOCK)


def _hold_new(path: Path) -> None:
    if (path / PLAN).exists():
        raise UsageError(
            f"--job: there is a job {path.name!r} already ({path}); go on with it by --resume {path.name}, or choose "
            "another name"
        )


def _path(data_dir: Path, name: str, option: str = "--job") -> Path:
    return data_dir / JOBS_FOLDER / checked_name(name, option)


def _locked(path: Path) -> FileLock:
    try:
        return FileLock(path / LOCK, "")
    except JournalBusyError as error:
        raise UsageError(
            f"job {path.name!r} is being worked on by process {error.pid or 'unknown'}; wait for it, stop it, or name "
            "another with --job"
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; make data_dir writable") from error


def _loaded(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} is damaged; begin the job anew under another name") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} is damaged; begin the job anew under another name")
    return found


def _replace(path: Path, content: bytes) -> None:
    """Write beside, sync, rename, sync the folder: after power loss it is one or the other, whole."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
