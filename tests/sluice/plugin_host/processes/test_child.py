"""A process that is always drained, ends when told to, and takes all that it started with it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from sluice.plugin_host.processes.child import Child, Start, start_child
from sluice.plugin_host.processes.executable import open_executable
from sluice.plugin_host.processes.handshake import HandshakeError
from sluice.plugin_host.processes.output import Output
from sluice.sdk.fakes import RecordingServices
from tests.sluice.plugin_host.processes.peers import is_running, logged, printed, until, write_script

Starting = Callable[[str], Awaitable[Child]]

HELLO = "echo '1|1|unix|/run/s|grpc|'"


@pytest.fixture
def services() -> RecordingServices:
    """With the plugin's log."""
    return RecordingServices()


@pytest.fixture
async def start(tmp_path: Path, services: RecordingServices) -> AsyncIterator[Starting]:
    """Starts shell scripts; all are killed in the end."""
    async with AsyncExitStack() as stack:

        async def starting(text: str) -> Child:
            script = write_script(tmp_path / "plugin", text)
            with closing(open_executable("p", f"file://{script}", [tmp_path])) as executable:
                begin = Start(executable, {"PATH": "/usr/bin:/bin", "GIVEN": "value"}, tmp_path)
                child = start_child(begin, Output(services.logger, 100))
            stack.push_async_callback(child.kill)
            return child

        yield starting


async def test_it_says_where_it_listens_and_is_drained_from_then_on(
    start: Starting, services: RecordingServices
) -> None:
    """Its environment is what was given, its folder too; what else it prints is logged."""
    child = await start(f"{HELLO}; echo out; echo $GIVEN $HOME >&2; pwd >&2")
    assert await child.socket(5) == "/run/s"
    await until(lambda: len(printed(services)) == 3)
    assert sorted(printed(services))[1:] == ["out", "value"]
    assert await child.exited == "exited with status 0"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("echo hello; sleep 60", "is not the line that a plugin begins with: b'hello'"),
        ("echo '1|3|unix|/run/s|grpc|'; sleep 60", "protocol version '3', not 1"),
        ("head -c 100000 /dev/zero; sleep 60", "longer than 4096 bytes"),
        ("echo 'cannot open config' >&2; exit 3", "exited with status 3 before .*; it printed: cannot open config"),
        ("kill -SEGV $$", "was ended by SIGSEGV before"),
        ("kill -40 $$", "was ended by signal 40 before"),
        ("echo 'still thinking' >&2; sleep 60", r"within 2 s; it printed: still thinking"),
    ],
)
async def test_a_bad_beginning_has_a_clear_end(start: Starting, text: str, problem: str) -> None:
    """Garbage, another version, silence and death: each is said, with its last words, within the time for it."""
    child = await start(text)
    began = time.monotonic()
    with pytest.raises(HandshakeError, match=problem):
        await child.socket(2 if "thinking" in text else 30)
    assert time.monotonic() - began < 25
    await child.kill()
    assert not is_running(child.pid)


async def test_it_is_killed_with_all_that_it_started(start: Starting, services: RecordingServices) -> None:
    """Though that holds its pipes and ignores signals."""
    child = await start(f"{HELLO}; trap '' TERM; sleep 600 & echo $! >&2; wait")
    await child.socket(5)
    await until(lambda: printed(services))
    grandchild = int(printed(services)[0])
    assert is_running(grandchild)
    await child.kill()
    await until(lambda: not is_running(grandchild))
    assert child.exited.result() == "was ended by SIGKILL"


async def test_what_it_started_ends_when_it_ends_by_itself(start: Starting, services: RecordingServices) -> None:
    """Nothing that a crashed plugin left may hold its files or ports."""
    child = await start(f"{HELLO}; sleep 600 & echo $! >&2; sleep 0.1; exit 2")
    assert await child.exited == "exited with status 2"
    await until(lambda: printed(services) and not is_running(int(printed(services)[0])))


async def test_what_cannot_be_watched_is_not_left_running(
    tmp_path: Path, services: RecordingServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of descriptors, say: no process, no open pipe."""
    started: list[int] = []

    def fail(pid: int) -> int:
        started.append(pid)
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", fail)
    script = write_script(tmp_path / "plugin", "exec sleep 600")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with (
        closing(open_executable("p", f"file://{script}", [tmp_path])) as executable,
        pytest.raises(OSError, match="24"),
    ):
        start_child(Start(executable, {"PATH": "/usr/bin:/bin"}, tmp_path), Output(services.logger, 100))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not is_running(started[0])


async def test_whether_it_ended_in_time(start: Starting) -> None:
    """Waiting has an end of its own."""
    child = await start("sleep 60")
    assert not await child.wait(0.05)
    child.kill_now()
    assert await child.wait(5)
    child.kill_now()


async def test_a_flood_does_not_hold_up_the_loop(start: Starting, services: RecordingServices) -> None:
    """It is read at a bounded pace and counted; the loop stays free, and the plugin can be killed."""
    child = await start(f"{HELLO}; yes 'a line of a flood'")
    await child.socket(5)
    slowest, processor = 0.0, time.process_time()
    for _ in range(100):
        began = time.thread_time()
        await asyncio.sleep(0.01)
        slowest = max(slowest, time.thread_time() - began)
    assert time.process_time() - processor < 0.5
    assert slowest < 0.2
    await child.kill()
    assert len(printed(services)) <= 300
    assert "plugin printed too much" in logged(services)


async def test_a_plugin_that_prints_a_lot_is_not_stopped_by_it(start: Starting) -> None:
    """Its pipes never stay full: what it does behind a megabyte of output is done."""
    child = await start(f"{HELLO}; head -c 3000000 /dev/zero | tr '\\0' '\\n'; head -c 3000000 /dev/zero >&2; exit 7")
    assert await asyncio.wait_for(child.exited, 10) == "exited with status 7"
