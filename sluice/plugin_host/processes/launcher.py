"""Becomes a plugin's executable, once the kernel has promised to kill it with its parent.

Run as a script by ``child.py``: PARENT EXECUTABLE NAME. A fork in a process with threads may run next to nothing safely
before it becomes another program, so what is to happen there happens here, in a Python of its own that imports nothing
of ours (about 20 ms).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_DESCRIPTORS = "/proc/self/fd/"
_CANNOT_RUN = 126  # as shells say it


def main(parent: int, executable: str, name: str) -> None:
    """Never returns. Exits with 126 where the executable cannot be run, with 1 where the parent is gone already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl failed with errno {ctypes.get_errno()}: the plugin could outlive the gateway")
    if os.getppid() != parent:  # it died before the promise
        sys.exit(1)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by this Python; what is ignored stays so in the next program
        signal.signal(ignored, signal.SIG_DFL)
    if executable.startswith(_DESCRIPTORS):
        os.set_inheritable(int(executable.removeprefix(_DESCRIPTORS)), False)  # the plugin needs it no more
    try:
        os.execv(executable, [name])  # noqa: S606 - checked by executable.py
    except OSError as error:
        print(f"{name} cannot be run: {error.strerror}", file=sys.stderr)  # noqa: T201 - goes into the log
        sys.exit(_CANNOT_RUN)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
