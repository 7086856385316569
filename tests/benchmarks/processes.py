"""Processes under measurement: pinned to a core, their CPU time read from the kernel, ended by id."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

MEASURED_CORE = 0
OTHER_CORE = 1 if (os.cpu_count() or 1) > 1 else 0
READY_SECONDS = 60.0


class Process:
    """A child with all of its children."""

    def __init__(self, command: Sequence[object], core: int, log: Path) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *(str(part) for part in command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_seconds(self) -> float:
        """User and system time of the process tree: what the scheduler counted, in nanoseconds. The ticks of ``stat``
        are samples, and a load that is paced by timers wakes up in step with them."""
        return sum(_run_nanos(pid) for pid in tree(self.pid)) / 1e9

    def rss_bytes(self) -> int:
        """Resident memory of the process tree."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in tree(self.pid))
        return pages * os.sysconf("SC_PAGE_SIZE")

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Until it holds; shows the log where the process ends first."""
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"not ready: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)  # between two looks at another process

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after ten seconds."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    except FileNotFoundError:
        return found
    return found


def _run_nanos(pid: int) -> int:
    """Of all threads that live; those of a measured process live as long as it does."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def pin_tree(pid: int, core: int) -> None:
    """Move a running process with all its threads to a core."""
    for member in tree(pid):
        for task in Path(f"/proc/{member}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})
