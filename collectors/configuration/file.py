"""The configuration in a file: read when it has come to rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sluice.clock import now_micros
from sluice.settings import MAX_DOCUMENT_BYTES, SettingsError

_LOOK_SECONDS = 1.0
_YOUNG_MICROS = 2_000_000
"""A file that was written so lately can be written again without its times telling."""

Signature = tuple[int, int, int, int]


class FileOrigin:
    """A file, whatever it is replaced with: by a write into it, by a rename, by a link that leads elsewhere."""

    interval_seconds = _LOOK_SECONDS
    tells_unchanged = False

    def __init__(self, path: Path, wall_clock: Callable[[], int] = now_micros) -> None:
        """``wall_clock`` is in microseconds, as the times of files are."""
        self.where = str(path)
        self.folder = path.parent
        self.file = path
        self._path = path
        self._wall_clock = wall_clock
        self._read: tuple[Signature | None, ...] = ()
        """What was read last, as long as it cannot have been written since."""
        self._seen: tuple[Signature | None, ...] = ()
        self._is_spent = False
        """Whether it was a pipe, as of ``<(sops -d …)``: that gives what it holds once; who opens it again waits."""

    async def read(self, *, insists: bool) -> bytes | None:
        """What is in it; ``None`` where it has not changed, or is being written: until two looks find the same.

        Who insists gets it as it is. Raises SettingsError, once, where it cannot be read.
        """
        if self._is_spent:
            return None
        found = _signature(self._path)
        if not insists and ((found,) == self._read or (found,) != self._seen):
            self._seen = (found,)
            return None
        self._read = self._seen = (found,)
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_DOCUMENT_BYTES + 1)
        except OSError as error:
            remedy = "put it back; until then what runs goes on"
            raise SettingsError(self.where, [f"cannot be read ({type(error).__name__}); {remedy}"]) from error
        self._is_spent = not self._path.is_file() and self._path.exists()
        if not self._is_at_rest(found):
            self._read = ()
            if not insists:
                return None if _signature(self._path) != found else data
        return data

    def keep(self, _data: bytes) -> None:
        """A file keeps itself."""

    def kept(self) -> None:
        """There is nothing else."""

    def _is_at_rest(self, found: Signature | None) -> bool:
        """Whether a later write would show in its times, and none has come since."""
        if found is None or _signature(self._path) != found:
            return False
        return not 0 <= self._wall_clock() - found[2] // 1_000 < _YOUNG_MICROS


def _signature(path: Path) -> Signature | None:
    """Of the file that the path leads to, through whatever links; ``None`` where it leads to none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
