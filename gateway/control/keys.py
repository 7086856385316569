"""The keys that vendor credentials are encrypted with: from the settings, from a file, or made at the first start.

A key file has one key a line, in base64, the newest first; empty lines and lines that begin with ``#`` say nothing.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from gateway.settings import ControlSettings
from sluice.secrets import SecretBox, SecretError, key_text, new_key, read_key

KEY_FILE = "secret.key"

_MODE = 0o600
_MAX_BYTES = 64 << 10
_HEADER = (
    "# Vendor keys in the control database are encrypted with this key. Keep a copy of it, apart from the database.\n"
)

logger = structlog.get_logger(__name__)


def open_secret_box(control: ControlSettings, data_dir: Path) -> SecretBox:
    """The box of ``control.secret_key``, else of ``control.secret_key_file``, else of ``data_dir/secret.key``.

    The last is made where it is missing; a file that the settings name is not, because a wrong name would make a key
    that decrypts nothing. A file is read again where a secret needs a key that was not in it before. Blocks on the
    disk. SecretError names the setting or the file, never a key.
    """
    if text := control.secret_key.get_secret_value():
        return SecretBox(_keys(text.split(), "control.secret_key"))
    path = key_file(control, data_dir)
    if not control.secret_key_file and not os.path.lexists(path):
        _make_key_file(path)
    return SecretBox(read_key_file(path), lambda: read_key_file(path))


def key_file(control: ControlSettings, data_dir: Path) -> Path:
    """Where the keys lie that ``control.secret_key`` does not give."""
    return Path(control.secret_key_file) if control.secret_key_file else data_dir / KEY_FILE


def read_key_file(path: Path) -> list[bytes]:
    """The keys of a file, the newest first. SecretError where it has none, or where others can read or change it."""
    try:
        with path.open("rb") as file:
            _refuse_open_modes(path, os.fstat(file.fileno()).st_mode)
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        remedy = "put one key a line into it, or leave control.secret_key_file empty to have one made"
        raise SecretError(f"{path}: cannot be read ({type(error).__name__}); {remedy}") from None
    if len(data) > _MAX_BYTES:
        raise SecretError(f"{path}: is larger than {_MAX_BYTES} bytes; that is no key file")
    lines = [line.strip() for line in data.decode("utf-8", errors="replace").splitlines()]
    return _keys([line for line in lines if line and not line.startswith("#")], str(path))


def put_new_key_in_front(path: Path) -> None:
    """The first half of a rotation: the file begins with a new key, under which everything is to be encrypted again.

    Gateways that run read the file again by themselves. Of several calls at once each adds its key. Raises SecretError.
    """
    path = path.resolve()  # a link stays one
    with _locked(path):
        read_key_file(path)  # refuses what is no key file
        written = _beside(path)
        try:
            _write_durably(written, f"{key_text(new_key())}\n".encode() + path.read_bytes(), like=path)
            written.replace(path)
        except OSError as error:
            raise SecretError(f"{path}: cannot be replaced ({error.strerror}); let us write to its folder") from None
        finally:
            written.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _keys(texts: list[str], where: str) -> list[bytes]:
    try:
        keys = [read_key(text) for text in texts]
        SecretBox(keys)  # refuses an empty list, with the remedy
    except SecretError as error:
        raise SecretError(f"{where}: {error}") from None
    return keys


def _refuse_open_modes(path: Path, mode: int) -> None:
    """The group may read (a Kubernetes volume with ``fsGroup`` has no other way); nobody else may do anything."""
    if stat.S_IMODE(mode) & (stat.S_IRWXO | stat.S_IWGRP):
        remedy = f"chmod 600 {path} (of a mounted secret: mode 0440 or 0400)"
        raise SecretError(f"{path}: has mode {stat.S_IMODE(mode):04o}, so that others can read or change it; {remedy}")


def _make_key_file(path: Path) -> None:
    """Write a new key beside its place and link it there: the first of several processes wins, and all read its key."""
    written = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_durably(written, f"{_HEADER}{key_text(new_key())}\n".encode())
        with suppress(FileExistsError):
            path.hardlink_to(written)
            logger.info("secret key made", path=str(path))
    except OSError as error:
        remedy = "let the gateway write there, or set control.secret_key"
        raise SecretError(f"{path}: cannot be made ({error.strerror}); {remedy}") from None
    finally:
        with suppress(OSError):
            written.unlink()
    _sync_folder(path.parent)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}")


def _write_durably(path: Path, data: bytes, like: Path | None = None) -> None:
    """A key that a power cut takes away would take every vendor key with it. Owner and mode are those of ``like``."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        if like is not None:
            status = like.stat()
            os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
        file.write(data)
        file.flush()
        os.fsync(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time changes a file of this folder: a key that is overwritten is lost with all it encrypted."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SecretError(f"{path}: its folder cannot be opened ({error.strerror})") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
