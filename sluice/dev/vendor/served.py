"""What the vendor served: the other side of the ledger that tests compare the gateway's events with."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sluice.dev.vendor.wire import all_headers

MAX_SERVED = 100_000
MAX_REQUESTS = 64
_FLUSH_SECONDS = 0.02


class Served(msgspec.Struct):
    """One request that a script answered."""

    number: int
    """The answer's ``x-request-id`` is ``mock-<number>``."""
    exchange_id: str
    """``x-sluice-exchange-id``, which the gateway sets; empty where nobody did."""
    path: str
    model: str
    is_stream: bool
    status: int
    """0 where not even a status line was sent."""
    at_micros: int
    prompt_tokens: int | None = None
    """The usage that the answer tells, cached tokens included; ``None`` where it tells none, or breaks off."""
    response_tokens: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    complete: bool = False
    """Whether everything that the client was promised has been written."""
    cache_write: int | None = None
    tool_calls: int = 0
    """Calls in the whole answer, of all its choices."""
    choices: int = 0
    raw_usage: str = ""
    """What the answer tells of its worth, as JSON, in the vendor's own words; empty as ``prompt_tokens``."""
    format: str = "openai"
    kind: str = ""
    """What was asked for, in the format's own words."""
    body_bytes: int | None = None
    """Of the whole answer, its framing apart; ``None`` where it breaks off, or has no end."""
    signed: str = ""
    """How the request proved itself, where the format looks at that: ``sigv4``, ``bearer``."""


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as it arrived, for tests of what the gateway lets through."""

    method: str
    path: str
    head: bytes
    body: bytes

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Every header line in order, names in lower case."""
        return all_headers(self.head)

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), None)


class ServedLog:
    """Bounded in memory; every finished entry also goes to a file where one is named."""

    def __init__(self, path: Path | None = None) -> None:
        self.entries: deque[Served] = deque(maxlen=MAX_SERVED)
        self.count = 0
        self._path = path
        self._lines: list[bytes] = []
        self._flush_due: asyncio.TimerHandle | None = None

    def add(self, served: Served) -> None:
        """A request has been understood; its entry may still change."""
        self.count += 1
        self.entries.append(served)

    def finish(self, served: Served) -> None:
        """Its entry changes no more. Lines are written together, since a benchmark makes thousands a second."""
        if self._path is None:
            return
        self._lines.append(msgspec.json.encode(served) + b"\n")
        if self._flush_due is None:
            self._flush_due = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        self._flush_due = None
        if self._path is not None and self._lines:
            with self._path.open("ab") as file:
                file.write(b"".join(self._lines))
            self._lines.clear()

    def close(self) -> None:
        """Write what waits, and no more."""
        if self._flush_due is not None:
            self._flush_due.cancel()
        self.flush()

    def json_lines(self) -> bytes:
        """What is remembered, a line each."""
        return b"".join(msgspec.json.encode(served) + b"\n" for served in self.entries)


def read_served(path: Path) -> list[Served]:
    """The entries of a log file; a line cut by a kill is left out."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [msgspec.json.decode(line, type=Served) for line in lines if line.endswith(b"\n")]
