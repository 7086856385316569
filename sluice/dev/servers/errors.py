"""What can go wrong with a real server.

ServerError
├── MissingPrerequisitesError   Java, Maven or PostgreSQL is not there: says what to install
├── FetchError                  Maven could not bring the server
└── ServerStartError            it was started and did not come up: names its log file
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class ServerError(Exception):
    """A real server cannot be had; the message ends with the remedy."""


class MissingPrerequisitesError(ServerError):
    """Something must be installed first."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__("; ".join(missing))
        self.missing = tuple(missing)


class FetchError(ServerError):
    """Maven could not fetch a server."""


class ServerStartError(ServerError):
    """A server died or stayed silent while starting."""

    def __init__(self, server: str, reason: str, log_path: Path) -> None:
        super().__init__(f"{server} did not come up: {reason}\n{tail(log_path)}\nthe whole log: {log_path}")
        self.log_path = log_path


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log file, indented, for an error message."""
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError as error:
        return f"    (no log: {error})"
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
