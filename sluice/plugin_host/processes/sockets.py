"""A private folder for the sockets of one plugin and its host, gone with them; also with those that were killed.

Whoever owns a folder holds a lock on it, which the kernel takes away with the process: folders that nobody holds are
removed when the next one is made, and what still runs of their plugins is ended.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from contextlib import ExitStack
from pathlib import Path

from sluice.plugin_host.processes.orphans import end_orphans

MAX_FOLDER_BYTES = 80
"""A socket's path has 107 bytes on Linux; go-plugin's file names take up to 20, their folder's slash one."""

_PREFIX = "plugin-"


class SocketFolder:
    """Made when constructed, with mode 0700; ``close`` removes it and all that is in it. Raises OSError."""

    def __init__(self, data_dir: Path) -> None:
        parent = _parent(data_dir)
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_own(parent)
        _sweep(parent)
        self.path, self._lock = _made_and_locked(parent)

    @property
    def host_socket(self) -> str:
        """Where the host's own services are to listen."""
        return str(self.path / "host")

    def close(self) -> None:
        """Remove it; may be called twice."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(lock)


def _parent(data_dir: Path) -> Path:
    """Below the data folder; in the temporary one where that has too long a name for sockets."""
    wanted = data_dir.resolve() / "sockets"
    room = MAX_FOLDER_BYTES - len(_PREFIX) - 8 - 1  # mkdtemp adds eight characters
    if len(os.fsencode(wanted)) <= room:
        return wanted
    return Path(tempfile.gettempdir()).resolve() / f"sluice-sockets-{os.geteuid()}"


def _check_own(parent: Path) -> None:
    """In a temporary folder anybody may have made it before us. Raises PermissionError."""
    status = parent.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(errno.EPERM, f"{parent} is not a folder of ours alone")


def _made_and_locked(parent: Path) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path, lock
        os.close(lock)  # swept by another process between the making and the locking


def _sweep(parent: Path) -> None:
    with ExitStack() as locks:
        left = [folder for folder in parent.glob(f"{_PREFIX}*") if _is_left(folder, locks)]
        end_orphans(left)
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path, locks: ExitStack) -> bool:
    """Whether nobody holds it; then we do."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        locks.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # somebody else's, or being removed by another
        return False
    return True
