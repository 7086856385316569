"""What a command ends with when it cannot do what it was asked.

CommandError
├── RefusedError       the API said no: status 1
├── UnreachableError   nobody, or somebody else, answered: status 2
└── UsageError         what was given cannot be meant: status 2
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class CommandError(Exception):
    """The message is for whoever typed the command; no token is in it."""

    exit_code: ClassVar[int] = 2


class RefusedError(CommandError):
    """The API's words, with the field; ``body`` is its answer."""

    exit_code = 1

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(_said(status, body))
        self.status = status
        self.body = body


class UnreachableError(CommandError):
    """Where it was looked for, and why nothing came of it."""


class UsageError(CommandError):
    """Names the argument, the value and the remedy."""


def _said(status: int, body: Mapping[str, Any]) -> str:
    summary, message = str(body.get("error", f"status {status}")), str(body.get("message", ""))
    field = body.get("field")
    if message.lower().startswith(summary.lower()):
        return message
    if field and str(field) not in message:
        message = f"{field}: {message}"
    return f"{summary}: {message}" if message else summary
