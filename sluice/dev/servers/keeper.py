"""Holds one server on behalf of another process, and takes it along when that process is gone.

Run as a script of its own (``python -I -S keeper.py LOG UID COMMAND...``); it imports nothing of ours. Its standard
input is a pipe whose other end only the owner holds: ``T`` asks the server's process group to end, ``I`` does so by
SIGINT (which some servers take for "now"), ``L`` asks its leader alone (which has children of its own to end in order),
``K`` kills the group, and the end of the pipe, which the kernel brings about whatever happens to the owner, kills it
too. (``PR_SET_PDEATHSIG`` would not do: it follows the *thread* that forked, it is lost by grandchildren, and it is
Linux alone.)

It ends when the last process of the server has ended, so that whoever waits for it may use ports and data again.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>

ENDINGS = {b"T": signal.SIGTERM, b"I": signal.SIGINT, b"L": signal.SIGTERM}
"""The orders that let the server end by itself; every other kills it."""

KILL_AGAIN_SECONDS = 0.01  # orphans come to us one generation after the other


def adopt_orphans() -> None:
    """Make grandchildren ours when their parent dies (Elasticsearch's launcher has one), so that they can be reaped."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def launch(log_path: Path, uid: int, command: list[str]) -> int:
    """Start the server in a session of its own, as ``uid`` where that is not -1."""
    identity: dict[str, object] = {} if uid == -1 else {"user": uid, "group": uid, "extra_groups": []}
    with log_path.open("ab") as log:
        server = subprocess.Popen(  # type: ignore[call-overload]  # noqa: S603 (the owner's own command)
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **identity
        )
    return int(server.pid)


def obey(group: int) -> None:
    """Carry out the owner's orders; when it kills the server or is gone, kill until nothing is left to kill."""
    order = b"T"
    while order in ENDINGS:
        order = os.read(0, 1)
        with contextlib.suppress(ProcessLookupError):
            if order == b"L":
                os.kill(group, signal.SIGTERM)
            else:
                os.killpg(group, ENDINGS.get(order, signal.SIGKILL))
    while True:
        kill_children()
        time.sleep(KILL_AGAIN_SECONDS)


def kill_children() -> None:
    """SIGKILL to what the group left to us: PostgreSQL's processes have groups of their own."""
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text("ascii").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)


def wait_for_all() -> None:
    """Reap until nothing is left."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def main(arguments: list[str]) -> None:
    """Launch, obey, and end after the server."""
    adopt_orphans()
    group = launch(Path(arguments[0]), int(arguments[1]), arguments[2:])
    threading.Thread(target=obey, args=(group,), daemon=True).start()
    wait_for_all()


if __name__ == "__main__":
    main(sys.argv[1:])
