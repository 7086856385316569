"""The last configuration of a service that could be used, on disk: so that collectors start without the service.

It is kept as it was served, before variables are put in: what ``${NAME}`` and ``${file:…}`` stand for is not in it.
What is served in clear is, so the file is its owner's alone; and one that others can write is not read, since a
configuration names programs to run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

import structlog

from sluice.settings import MAX_DOCUMENT_BYTES, SettingsError

_FOLDER = "configurations"
_OTHERS_MAY_WRITE = 0o022

_log = structlog.get_logger(__name__)


class LastGood:
    """One file below ``data_dir`` for each service: another one's configuration is never taken for it."""

    def __init__(self, data_dir: Path, url: str) -> None:
        self.path = data_dir / _FOLDER / f"collectors-{hashlib.sha256(url.encode()).hexdigest()[:16]}"

    def read(self) -> bytes | None:
        """What was kept; ``None`` where there is nothing. Raises SettingsError where it is not to be trusted."""
        try:
            with self.path.open("rb") as file:
                mode, owner = os.fstat(file.fileno()).st_mode, os.fstat(file.fileno()).st_uid
                data = file.read(MAX_DOCUMENT_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SettingsError(self.path, [f"cannot be read ({type(error).__name__}); remove it"]) from error
        if mode & _OTHERS_MAY_WRITE or owner not in {os.geteuid(), 0}:
            raise SettingsError(self.path, ["could have been written by others, and is not used; remove it"])
        return data

    def write(self, data: bytes) -> None:
        """Keep it, whole or not at all; a disk that refuses is logged: what runs does not need it."""
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            remedy = "a start without the service would use an older one"
            _log.warning("configuration is not kept", path=str(self.path), error=type(error).__name__, remedy=remedy)
