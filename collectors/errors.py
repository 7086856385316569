"""What went wrong says what to do now.

CollectorError
├── Retryable       not now: write it again after a while, without end (``throttled``: and fewer at a time)
├── Unprocessable   never: this record goes to the dead letters with its reason
└── Halt            not until somebody changes something: stop taking records, say so, try again now and then
"""

from __future__ import annotations

import re

MAX_REASON_CHARACTERS = 256


class CollectorError(Exception):
    """Anything that keeps a record from being finished."""


class Retryable(CollectorError):  # noqa: N818 - named by what to do
    """The sink cannot take it now; what was applied of it is known by its id when it comes again."""

    def __init__(self, message: str, retry_after_seconds: float | None = None, *, throttled: bool = False) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.throttled = throttled


class Unprocessable(CollectorError):  # noqa: N818 - named by what to do
    """The record can never be written; ``reason`` is a stable code, ``detail`` is for people and holds no values."""

    def __init__(self, reason: str, detail: str = "", *, status: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.status = status


class Halt(CollectorError):  # noqa: N818 - named by what to do
    """Every record would fail the same way: dead letters would drain the topic, so the service waits instead."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


_VALUE = re.compile(r"""(?s)Preview of field's value.*|'[^']*'|"[^"]*"|\[[^\]]{3,}\]""")


def without_values(reason: str) -> str:
    """A foreign error message without what may be a field's value, capped: it goes into logs and headers."""
    return _VALUE.sub("…", reason)[:MAX_REASON_CHARACTERS]
