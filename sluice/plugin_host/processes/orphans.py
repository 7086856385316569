"""Ends what plugins of a killed gateway had started: the kernel ends a plugin with its gateway, not its children.

A plugin that is a shell script around another program leaves that program. It is known by the folder for sockets that
is in its environment: no two plugins ever have the same.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from sluice.plugin_host.processes.variables import SOCKETS


def end_orphans(folders: Collection[Path]) -> None:
    """Kill every process that was started for one of these folders; some milliseconds where there are any."""
    marks = [f"{SOCKETS}={folder}".encode() for folder in folders]
    for entry in os.scandir("/proc") if marks else ():
        if entry.name.isdigit():
            with suppress(OSError):  # gone meanwhile, or another user's
                _end_if_marked(int(entry.name), marks)


def _end_if_marked(pid: int, marks: Collection[bytes]) -> None:
    descriptor = os.pidfd_open(pid)  # first: a number that is given anew is not what is ended
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if any(mark in variables for mark in marks):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)
