"""What went wrong says what to do now.

CollectorError
├── Retryable       not now: write it again after a while, without end (``throttled``: and fewer at a time)
│   └── Waiting     not before other records: nothing is wrong, and nothing is slowed down
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


class Waiting(Retryable):
    """It must come behind records that are still on their way; the sink itself has no part in it."""


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


_MAX_READ_CHARACTERS = 4_096
_PREVIEW = "Preview of field's value"
_PLACE = re.compile(r"\[\d{1,9}:\d{1,9}\] ")  # line and column, with which Elasticsearch begins
_QUOTED = re.compile(r"""(?s)['"\[\]](.*['"\[\]]|.*)""")
_SHORT = re.compile(r"""\[[^'"\[\]]{0,2}\]""")  # a number, as in "rejected execution of bulk [1]"


def without_values(reason: str) -> str:
    """A foreign error message without what may be a field's value, capped: it goes into logs and headers.

    All from the first delimiter to the last is left out, or to the end where the last may be out of sight: a value may
    hold delimiters of its own, so only too much is enough.
    """
    text = reason[:_MAX_READ_CHARACTERS].partition(_PREVIEW)[0]
    is_whole = len(text) == len(reason)
    place = _PLACE.match(text)
    quoted = _QUOTED.search(text, place.end() if place else 0)
    if is_whole and (quoted is None or _SHORT.fullmatch(quoted[0])):
        return text[:MAX_REASON_CHARACTERS]
    start, end = quoted.span() if quoted else (len(text), len(text))
    rest = text[end:] if is_whole else ""
    return f"{text[:start]}…{rest}"[:MAX_REASON_CHARACTERS]
