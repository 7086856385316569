"""Where servers live: a cache of what was downloaded, and one folder per running server.

Both are under ``/var/tmp`` (disk, survives a reboot) and not under a home: Elasticsearch refuses to run as root, and
the user it runs as instead could not enter a home of mode 0700.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sluice.dev.servers.errors import ServerError

NOBODY_UID = 65534
"""Needs no entry in /etc/passwd."""

_LOCK_SECONDS = 900.0
_KEPT_SECONDS = 24 * 3600.0
"""How long the folder of a dead run stays for whoever wants to read its logs."""


def default_cache_folder() -> Path:
    """The cache of this user, shared by every checkout."""
    return Path("/var/tmp") / f"sluice-servers-{os.getuid()}"  # noqa: S108 (its owner is checked before use)


def open_cache(folder: Path) -> Path:
    """Create the cache if need be; refuse one that somebody else made in the world-writable parent."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.is_symlink():
        raise ServerError(f"{folder} belongs to somebody else: name another one with --cache")
    folder.chmod(0o755)
    return folder


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock between processes and threads, calling ``waiting`` twice a second until it is ours."""
    deadline = time.monotonic() + _LOCK_SECONDS
    with path.open("ab") as lock:
        while not _try_lock(lock):
            if time.monotonic() > deadline:
                raise ServerError(f"another process has held {path} for {_LOCK_SECONDS:g} s: end it")
            waiting()
            time.sleep(0.5)
        yield


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class RunFolder:
    """The folder of one server: configuration, data, log. A temporary one is deleted by ``close``."""

    def __init__(self, path: Path, lock: IO[bytes] | None) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, cache: Path, server: str, data_dir: Path | None) -> RunFolder:
        """The caller's folder, which stays, or a temporary one that no other run will take or sweep."""
        if data_dir is not None:
            data_dir.mkdir(parents=True, exist_ok=True)
            return cls(data_dir.resolve(), None)
        runs = cache / "runs"
        runs.mkdir(exist_ok=True)
        with locked(cache / "runs.lock", lambda: None):
            _sweep(runs)
            path = Path(tempfile.mkdtemp(prefix=f"{server}-", dir=runs))
            lock = (path / "owner.lock").open("ab")
            _try_lock(lock)
        return cls(path, lock)

    def give_to(self, uid: int) -> None:
        """Let the user that the server runs as own everything in it."""
        for parent in self.path.parents:
            if not parent.stat().st_mode & 0o001:
                raise ServerError(f"uid {uid} cannot enter {parent}: choose a folder under /var/tmp")
        for path in (self.path, *self.path.rglob("*")):
            os.chown(path, uid, uid, follow_symlinks=False)

    def close(self) -> None:
        """Delete it if it is temporary."""
        if self._lock is not None:
            self._lock.close()
            shutil.rmtree(self.path, ignore_errors=True)


def _sweep(runs: Path) -> None:
    """Delete the folders of runs that were killed before they could."""
    for folder in runs.iterdir():
        if _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    age_seconds = time.time_ns() / 1e9 - folder.stat().st_mtime
    if age_seconds < _KEPT_SECONDS:
        return False
    with (folder / "owner.lock").open("ab") as lock:
        return _try_lock(lock)
