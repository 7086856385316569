"""Files that become visible whole or not at all, and what an ``OSError`` asks for."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from collectors.errors import Halt, Retryable

_HALTS = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOENT,
}  # fmt: skip
_TEMPORARY = ".tmp"


def cause_of(error: OSError, folder: Path, key: str = "output_directory") -> Retryable | Halt:
    """Full disks and I/O errors may pass; rights, and a folder that is none or is gone, do not."""
    reason = error.strerror or str(error)
    message = f"{key} {folder}: {reason}"
    if error.errno in _HALTS:
        return Halt(message, "make it a folder that this process may write to, or mount it again")
    return Retryable(message)


@contextlib.contextmanager
def translated(folder: Path, key: str = "output_directory") -> Iterator[None]:
    """Errors of the operating system as what they ask for; ``key`` is the setting that names the folder."""
    try:
        yield
    except OSError as error:
        raise cause_of(error, folder, key) from error


def sync_folder(folder: Path) -> None:
    """Make names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(folder: Path, name: str, write: Callable[[BinaryIO], object]) -> bool:
    """A new file with this content: whole and durable when it can be seen. Whoever has the name already keeps it:
    ``False`` then."""
    temporary = _write_beside(folder, name, write)
    is_new = False
    try:
        with contextlib.suppress(FileExistsError):
            os.link(temporary, folder / name)
            is_new = True
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(folder)
    return is_new


def replace(folder: Path, name: str, content: bytes) -> None:
    """The file has its old content or this one, whatever happens."""
    temporary = _write_beside(folder, name, lambda file: file.write(content))
    try:
        temporary.replace(folder / name)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def _write_beside(folder: Path, name: str, write: Callable[[BinaryIO], object]) -> Path:
    temporary = folder / f".{name}.{secrets.token_hex(4)}{_TEMPORARY}"
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def remove_leftovers(folder: Path, stem: str) -> None:
    """What a killed process had begun to write: nobody links it any more."""
    for path in folder.glob(f".{stem}-*{_TEMPORARY}"):
        path.unlink(missing_ok=True)


def leftovers(folder: Path, name: str) -> Iterator[Path]:
    """What is, or was, being written to take a name's place."""
    return folder.glob(f".{name}.*{_TEMPORARY}")
