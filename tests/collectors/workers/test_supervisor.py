"""Workers are started again with patience, get the signals, and never outlive their supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from collectors.workers import supervisor as supervisor_module
from collectors.workers.place import WorkerPlace
from collectors.workers.supervisor import Supervisor
from tests.collectors.fakes import until

SECONDS = 20.0
OBEYS = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); note('up'); time.sleep(60)"
IGNORES = "signal.signal(signal.SIGTERM, lambda *_: note('TERM')); note('up'); [time.sleep(60) for _ in range(9)]"
HEARS = "signal.signal(signal.SIGHUP, lambda *_: note('HUP')); serve(); note('up'); [time.sleep(60) for _ in range(9)]"
FAILS = "note('up'); sys.exit(3)"
READS_PIPE = "note('up'); os.read(int(sys.argv[3].partition('=')[2]), 1); note('alone')"


class Bench:
    """A supervisor of small programs that write down what they meet."""

    def __init__(self, folder: Path, program: str, count: int = 1, shutdown_seconds: float = 60.0) -> None:
        self.log = folder / "log"
        self.log.touch()
        note = f"note = lambda what: open({str(self.log)!r}, 'a').write(sys.argv[1][-1] + ' ' + what + '\\n')"
        serve = "serve = lambda: open(sys.argv[2].partition('=')[2], 'w')"
        code = f"import os, signal, sys, time; {note}; {serve}; {program}"
        command: Callable[[WorkerPlace], list[str]] = lambda place: [sys.executable, "-c", code, *place.options()]  # noqa: E731
        self.supervisor = Supervisor(command, count, folder, shutdown_seconds)

    def noted(self) -> list[str]:
        return self.log.read_text().splitlines()

    async def until_noted(self, *lines: str) -> None:
        await until(lambda: sorted(self.noted()) == sorted(lines), SECONDS)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[int]]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.supervisor.run())
            try:
                yield task
            finally:
                self.supervisor.signalled(signal.SIGTERM)
                for process in list(self.supervisor._processes.values()):
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience that tests have."""
    monkeypatch.setattr(supervisor_module, "FIRST_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(supervisor_module, "_GRACE_SECONDS", 0.1)


async def test_a_signal_ends_all_well(tmp_path: Path) -> None:
    """Each gets it; 0 where all ended with 0, and none is started again."""
    bench = Bench(tmp_path, OBEYS, 3)
    async with bench.running() as task:
        await bench.until_noted("0 up", "1 up", "2 up")
        assert len(set(bench.supervisor.pids.values())) == 3
        bench.supervisor.signalled(signal.SIGTERM)
        assert await task == 0
    assert bench.supervisor.pids == {}
    assert bench.supervisor.registry.render().count("sluice_collector_worker_up{") == 3


async def test_one_that_dies_is_started_again(tmp_path: Path) -> None:
    """It alone, under its own number, and it is counted; the others never knew."""
    bench = Bench(tmp_path, OBEYS, 2)
    async with bench.running():
        await bench.until_noted("0 up", "1 up")
        before = bench.supervisor.pids
        os.kill(before[1], signal.SIGKILL)
        await bench.until_noted("0 up", "1 up", "1 up")
        assert bench.supervisor.pids[0] == before[0]
        assert 'restarts_total{worker="1"} 1' in bench.supervisor.registry.render()


async def test_one_that_keeps_dying_is_waited_for_longer(tmp_path: Path) -> None:
    """Twice as long each time; its status is told."""
    bench = Bench(tmp_path, FAILS)
    with structlog.testing.capture_logs() as lines:
        async with bench.running():
            await until(lambda: len([line for line in lines if line["event"] == "worker ended"]) >= 3, SECONDS)
    ended = [line for line in lines if line["event"] == "worker ended"]
    assert [line["again_in_seconds"] for line in ended[:3]] == [0.05, 0.1, 0.2]
    assert {line["status"] for line in ended[:3]} == {3}


async def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    """When its time to drain is over; the code then says that something was not well."""
    bench = Bench(tmp_path, IGNORES, shutdown_seconds=2.0)
    async with bench.running() as task:
        await bench.until_noted("0 up")
        bench.supervisor.signalled(signal.SIGTERM)
        assert await task == 1
    assert bench.noted() == ["0 up", "0 TERM"]


async def test_a_hangup_is_passed_on_and_ends_nothing(tmp_path: Path) -> None:
    """Every worker that serves reads the configuration itself."""
    bench = Bench(tmp_path, HEARS, 2, shutdown_seconds=0.1)
    async with bench.running() as task:
        await bench.until_noted("0 up", "1 up")
        bench.supervisor.signalled(signal.SIGHUP)
        await bench.until_noted("0 up", "1 up", "0 HUP", "1 HUP")
        assert not task.done()


async def test_the_pipe_ends_with_the_supervisor(tmp_path: Path) -> None:
    """Whatever ended it, each worker can tell: the end that only the supervisor holds is closed."""
    bench = Bench(tmp_path, READS_PIPE, 2)
    async with bench.running() as task:
        await bench.until_noted("0 up", "1 up")
        assert all(line.endswith("up") for line in bench.noted()), "the pipe is open as long as it lives"
        processes = list(bench.supervisor._processes.values())
        task.cancel()
        await bench.until_noted("0 up", "1 up", "0 alone", "1 alone")
        assert [await process.wait() for process in processes] == [0, 0]


async def test_ctrl_c_in_a_terminal_reaches_the_supervisor_alone(tmp_path: Path) -> None:
    """A worker leads a group of its own: what it gets it gets once, and a second time means at once."""
    bench = Bench(tmp_path, OBEYS)
    async with bench.running():
        await bench.until_noted("0 up")
        pid = bench.supervisor.pids[0]
        assert os.getpgid(pid) == pid != os.getpgid(0)


async def test_a_worker_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    """No more processes for now, or a program that is being replaced: the others run on, and it follows."""
    bench = Bench(tmp_path, OBEYS, 2)
    program = tmp_path / "python"
    inner = bench.supervisor._command
    bench.supervisor._command = lambda place: [str(program), *inner(place)[1:]] if place.index else inner(place)
    with structlog.testing.capture_logs() as lines:
        async with bench.running() as task:
            await until(
                lambda: len([line for line in lines if line["event"] == "worker cannot be started"]) > 1, SECONDS
            )
            await bench.until_noted("0 up")
            program.symlink_to(sys.executable)
            await bench.until_noted("0 up", "1 up")
            bench.supervisor.signalled(signal.SIGTERM)
            assert await task == 0
    assert len(list(Path("/proc/self/fd").iterdir())) < 200, "ends of pipes are closed"


async def test_one_that_is_starting_is_told_no_hangup_and_ends_well(tmp_path: Path) -> None:
    """It would end by it, and reads the configuration anyway; stopped before it served anything it had nothing to
    lose, and the code is 0."""
    bench = Bench(tmp_path, "note('up'); time.sleep(60)", 2)
    async with bench.running() as task:
        await bench.until_noted("0 up", "1 up")
        for _ in range(50):
            bench.supervisor.signalled(signal.SIGHUP)
        bench.supervisor.signalled(signal.SIGTERM)
        assert await task == 0
    assert "restarts_total{" not in bench.supervisor.registry.render()
