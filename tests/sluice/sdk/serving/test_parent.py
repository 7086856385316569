"""Tests of ``sluice.sdk.serving.parent``: real processes, whose host is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk.serving.parent import watch_parent
from tests.sluice.sdk.serving.harness import EVERYTHING, stub_of, until, until_now

HOST = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, sys.argv[1]], stdout=subprocess.PIPE)
print(child.pid, child.stdout.readline().decode().strip(), flush=True)
time.sleep(60)
"""


def host(folder: Path, errors: Path) -> tuple[subprocess.Popen[str], int, str]:
    """A host with a plugin of its own: the host, the plugin's pid and its socket."""
    root = str(Path(__file__).parents[4])
    variables = {"PYTHONPATH": root, "AI_STUDIO_PLUGIN": "v1", "PLUGIN_UNIX_SOCKET_DIR": str(folder)}
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", HOST, str(EVERYTHING)],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    with process.stdout as stdout:
        pid, line = stdout.readline().split()
    return process, int(pid), line.split("|")[3]


def is_alive(pid: int) -> bool:
    """Whether there is such a process; a dead one that nobody has reaped is none."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


async def test_a_plugin_whose_host_is_killed_ends_in_order(tmp_path: Path) -> None:
    """`kill -9` of the host leaves no process and no socket behind."""
    process, pid, socket = host(tmp_path, tmp_path / "stderr")
    async with stub_of(f"unix:{socket}") as stub:
        await stub.Initialize(pb.InitRequest())
    process.kill()
    process.wait()
    await until(lambda: not is_alive(pid))
    assert not Path(socket).exists()
    assert '"shutdown"' in (tmp_path / "stderr").read_text()


async def test_a_plugin_that_hangs_ends_too(tmp_path: Path) -> None:
    """One that blocks its event loop cannot end in order: it is gone a few seconds later."""
    process, pid, socket = host(tmp_path, tmp_path / "stderr")
    async with stub_of(f"unix:{socket}") as stub:
        await stub.Initialize(pb.InitRequest())
        call = stub.ProcessPreAuth(pb.PluginRequest(body=b"hang"))
        await until(lambda: "hanging" in (tmp_path / "stderr").read_text())
        process.kill()
        process.wait()
        await until(lambda: not is_alive(pid))
        call.cancel()
        await asyncio.sleep(0)


def test_the_end_is_told_from_a_thread_of_its_own() -> None:
    """Nobody's parent is the process that this one is a parent of."""
    script = (
        "import os, time\n"
        "from sluice.sdk.serving.parent import watch_parent\n"
        "watch_parent(os.getppid() + 1, lambda: (print('told', flush=True), os._exit(7)))\n"
        "time.sleep(30)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (run.stdout, run.returncode) == ("told\n", 7)


def test_while_the_parent_lives_nothing_happens() -> None:
    """The thread waits, and does not keep the process alive."""
    told = threading.Event()
    watch_parent(os.getppid(), told.set)
    thread = until_now(lambda: next((each for each in threading.enumerate() if each.name == "parent"), None))
    assert thread.daemon
    assert not told.is_set()
    assert signal.getsignal(signal.SIGTERM) is not None
