"""Locks that die with their holder."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.lock import FileLock, JournalBusyError, is_held

REMEDY = "stop the other one"
HOLD = (
    "import pathlib, sys, threading\n"
    "from sluice.eventlog.journal.lock import FileLock\n"
    "held = FileLock(pathlib.Path(sys.argv[1]), '')\n"
    "print('held', flush=True)\n"
    "threading.Event().wait()\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a lock may lie; its folder is not made yet."""
    return tmp_path / "deep" / "folder" / "lock"


def test_one_holds_it_and_says_who(path: Path) -> None:
    """A second one is refused with the pid, the file and what to do; the file has the pid as text."""
    held = FileLock(path, REMEDY)
    assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"
    with pytest.raises(JournalBusyError) as busy:
        FileLock(path, REMEDY)
    assert str(busy.value) == f"{path} is held by process {os.getpid()}; stop the other one"
    assert busy.value.pid == str(os.getpid())
    assert isinstance(busy.value, EventLogError)
    held.release()


def test_released_is_free_for_the_next(path: Path) -> None:
    """As often as it goes round; twice is once and does not release the next holder's."""
    first = FileLock(path, REMEDY)
    first.release()
    assert not is_held(path)
    second = FileLock(path, REMEDY)
    first.release()
    assert is_held(path)
    with pytest.raises(JournalBusyError):
        FileLock(path, REMEDY)
    second.release()
    assert not is_held(path)


def test_onlookers_are_no_holders(path: Path) -> None:
    """Two who look at the same moment both see that nobody holds it."""
    FileLock(path, REMEDY).release()
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)  # as ``is_held`` has it for an instant
        assert not is_held(path)


def test_a_kill_releases_it(path: Path) -> None:
    """No stale lock: the file stays, with the dead one's pid, and the next process has it at once."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert is_held(path)
        with pytest.raises(JournalBusyError, match=f"held by process {process.pid}; {REMEDY}"):
            FileLock(path, REMEDY)
        os.kill(process.pid, signal.SIGKILL)
    assert path.read_text(encoding="ascii") == f"{process.pid}\n"
    assert not is_held(path)
    FileLock(path, REMEDY).release()


def test_a_program_that_is_started_does_not_inherit_it(path: Path) -> None:
    """A child that outlives the holder must not keep the lock."""
    held = FileLock(path, REMEDY)
    with subprocess.Popen(["sleep", "60"]) as child:
        held.release()
        assert not is_held(path)
        child.kill()


def test_nobody_holds_what_is_not_there(path: Path) -> None:
    """Asking makes no file and no folder, and leaves no descriptor open."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    assert not is_held(path)
    assert not path.parent.exists()
    held = FileLock(path, REMEDY)
    for _ in range(5):
        assert is_held(path)
        with pytest.raises(JournalBusyError):
            FileLock(path, REMEDY)
    held.release()
    assert not is_held(path)
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


@pytest.mark.parametrize(("content", "pid"), [(b"", "unknown"), (b"\n", "unknown"), (b"\xff\xfe7\n", "��7")])
def test_a_holder_without_a_readable_pid_is_still_a_holder(path: Path, content: bytes, pid: str) -> None:
    """Just made by another program, or damaged: refused all the same, in words."""
    held = FileLock(path, REMEDY)
    path.write_bytes(content)
    with pytest.raises(JournalBusyError, match=f"held by process {pid}; "):
        FileLock(path, REMEDY)
    held.release()


def test_a_longer_pid_of_the_holder_before_is_gone(path: Path) -> None:
    """The file has one pid: digits of an older one behind it would name a stranger."""
    path.parent.mkdir(parents=True)
    path.write_bytes(b"99999999999999999999\nmore\n")
    held = FileLock(path, REMEDY)
    assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"
    held.release()
    assert path.exists()


def test_whoever_only_looks_does_not_refuse_a_holder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``is_held`` has the lock for an instant: taking it is tried a second time, after a moment."""
    FileLock(path, REMEDY).release()
    looking = os.open(path, os.O_RDWR)
    fcntl.flock(looking, fcntl.LOCK_EX)
    waited: list[float] = []

    def look_is_over(seconds: float) -> None:
        waited.append(seconds)
        os.close(looking)

    monkeypatch.setattr("sluice.eventlog.journal.lock.time.sleep", look_is_over)
    held = FileLock(path, REMEDY)
    assert len(waited) == 1
    assert 0 < waited[0] <= 0.1
    held.release()


def test_the_lock_is_for_its_user_alone(path: Path) -> None:
    """Another user of the host could otherwise hold up a gateway."""
    held = FileLock(path, REMEDY)
    assert path.stat().st_mode & 0o777 == 0o600
    held.release()
