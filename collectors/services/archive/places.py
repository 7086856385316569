"""Where an archive lies: a folder, or a bucket behind a prefix. What is put there is never replaced.

Paths are of folders, with slashes and without one at their ends. All is asked by threads, and raises ``Retryable`` or
``Halt``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from collectors.sinks.file.folder import leftovers, publish, sync_folder, translated
from collectors.sinks.s3.bucket import Bucket
from collectors.sinks.s3.settings import BucketSettings

_CONNECTIONS = 4
_TRIES = 3
_KEY = "archive.folder"
_TYPES = {"json": "application/json", "parquet": "application/vnd.apache.parquet"}


class Place(Protocol):
    """What the archive needs of it."""

    @property
    def where(self) -> str:
        """For people."""
        ...

    def folders(self, path: str) -> list[str]:
        """The names of the folders in a folder, sorted; none where it does not exist."""
        ...

    def files(self, path: str) -> dict[str, int]:
        """The names of the finished files in a folder, each with its size in bytes."""
        ...

    def put(self, path: str, name: str, body: bytes) -> bool:
        """A new file, durable when this returns; ``False`` where the name is taken: it keeps its content."""
        ...

    def local(self, path: str, name: str) -> AbstractContextManager[Path]:
        """A file of this host with a file's content, while the context lasts; FileNotFoundError where there is none."""
        ...

    def remove(self, path: str, name: str) -> None:
        """Delete a file; twice is once."""
        ...

    def tidy(self, path: str) -> None:
        """Remove what killed processes left half written in a folder."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class FolderPlace:
    """A folder of this host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.where = str(folder)

    def folders(self, path: str) -> list[str]:
        """Those that are not hidden."""
        with translated(self.folder, _KEY):
            folder = self.folder / path
            found = folder.iterdir() if folder.is_dir() else iter(())
            return sorted(each.name for each in found if each.is_dir() and not each.name.startswith("."))

    def files(self, path: str) -> dict[str, int]:
        """Those that are not hidden."""
        with translated(self.folder, _KEY):
            folder = self.folder / path
            found = sorted(folder.iterdir()) if folder.is_dir() else []
            return {each.name: each.stat().st_size for each in found if each.is_file() and each.name[0] != "."}

    def put(self, path: str, name: str, body: bytes) -> bool:
        """Written beside, synced, then linked; again where another archiver that completed the hour tidied it away."""
        with translated(self.folder, _KEY):
            for _ in range(_TRIES - 1):
                with contextlib.suppress(FileNotFoundError):
                    return publish(self._made(path), name, lambda file: file.write(body))
            return publish(self._made(path), name, lambda file: file.write(body))

    def _made(self, path: str) -> Path:
        """Folders are as durable as what is in them. Another archiver may make them at the same time."""
        missing = []
        folder = self.folder / path
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for each in reversed(missing):
            try:
                each.mkdir(exist_ok=True)
            except FileExistsError:  # no folder
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(each)) from None
            sync_folder(each.parent)
        return self.folder / path

    @contextlib.contextmanager
    def local(self, path: str, name: str) -> Iterator[Path]:
        """The file itself."""
        found = self.folder / path / name
        if not found.is_file():
            raise FileNotFoundError(found)
        yield found

    def remove(self, path: str, name: str) -> None:
        """Unlink it."""
        with translated(self.folder, _KEY):
            (self.folder / path / name).unlink(missing_ok=True)

    def tidy(self, path: str) -> None:
        """Another archiver that is at work here finds its file gone, and writes it again."""
        with translated(self.folder, _KEY):
            for each in leftovers(self.folder / path, "*"):
                each.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is open."""


class BucketPlace:
    """Objects behind a prefix."""

    def __init__(self, settings: BucketSettings) -> None:
        self._bucket = Bucket(settings, _CONNECTIONS)
        self._prefix = settings.prefix
        self.where = f"s3://{settings.bucket}/{settings.prefix}"

    def _key(self, path: str, name: str = "") -> str:
        return f"{self._prefix}{path}/{name}" if path else f"{self._prefix}{name}"

    def folders(self, path: str) -> list[str]:
        """As slashes in keys make them."""
        return self._bucket.folders(self._key(path))

    def files(self, path: str) -> dict[str, int]:
        """Those of the folder itself."""
        prefix = self._key(path)
        found = ((key[len(prefix) :], size) for key, size in self._bucket.objects(prefix))
        return {name: size for name, size in found if name and "/" not in name}

    def put(self, path: str, name: str, body: bytes) -> bool:
        """Under If-None-Match."""
        content_type = _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
        return self._bucket.put(self._key(path, name), body, content_type, {})

    @contextlib.contextmanager
    def local(self, path: str, name: str) -> Iterator[Path]:
        """A copy."""
        with tempfile.NamedTemporaryFile(suffix=f"-{name}"[-100:]) as file:
            if not self._bucket.download(self._key(path, name), cast("BinaryIO", file)):
                raise FileNotFoundError(self._key(path, name))
            file.flush()
            yield Path(file.name)

    def remove(self, path: str, name: str) -> None:
        """Delete the object."""
        self._bucket.delete(self._key(path, name))

    def tidy(self, path: str) -> None:
        """An object is there whole or not at all."""

    def close(self) -> None:
        """Close the connections."""
        self._bucket.close()


def read(place: Place, path: str, name: str) -> bytes | None:
    """A small file's content; ``None`` where there is none."""
    try:
        with place.local(path, name) as file:
            return file.read_bytes()
    except FileNotFoundError:
        return None
