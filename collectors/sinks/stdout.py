"""``sink://stdout``: events on the standard output, for eyes and pipes; at least once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import orjson
import polars as pl

from collectors.deliveries import Frame
from collectors.documents import document_lines
from collectors.errors import Halt, Retryable
from collectors.frames import COLUMNS
from collectors.sinks.interface import Prepared, Verdict
from schemas.events import Kind
from sluice.clock import at_micros

if TYPE_CHECKING:
    from collectors.entries import StdoutEntry
    from collectors.sinks.registry import SinkOpening

_DESCRIPTOR = 1
_NANOS = 1_000_000_000
_SHOWN = ("outcome", "app_id", "llm_slug", "model_name", "method", "path", "response_code", "total_tokens",
          "tokens_used", "cost_nanos", "total_micros", "request_id")  # fmt: skip


class StdoutSink:
    """Lines to a file descriptor; one write at a time, so that no line is cut by another."""

    def __init__(self, form: Literal["json", "text"] = "json", descriptor: int = _DESCRIPTOR) -> None:
        self._lines = _json_lines if form == "json" else _text_lines
        self._descriptor = descriptor
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stdout-sink")

    async def start(self) -> None:
        """See that it is open."""
        await self.check()

    async def check(self) -> None:
        """Whether the descriptor is open; that nobody reads it shows when something is written."""
        try:
            os.fstat(self._descriptor)
        except OSError as error:
            raise _cause(error) from error

    def prepare(self, frame: Frame) -> Prepared[bytes]:
        """A line for each event."""
        return Prepared(self._lines(frame.kind, frame.rows))

    async def write(self, documents: Sequence[bytes]) -> Verdict:
        """All lines, or none is acknowledged. A reader that does not read is waited for."""
        verdict = Verdict()
        run = asyncio.get_running_loop().run_in_executor(self._thread, self._put, b"".join(documents))
        try:
            await asyncio.shield(run)
        except OSError as error:
            verdict.postpone(range(len(documents)), _cause(error))
        return verdict

    def _put(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    async def close(self) -> None:
        """Nothing is kept back. The descriptor stays open: it is the process's."""


def _cause(error: OSError) -> Retryable | Halt:
    if isinstance(error, BlockingIOError):
        return Retryable("standard output: its reader is slow")
    reason = f"standard output: {error.strerror}"
    return Halt(reason, "start the collector with something that reads it, or use another sink")


def _json_lines(kind: Kind, rows: pl.DataFrame) -> list[bytes]:
    """The document that Elasticsearch has, and which event it is."""
    head = b'{"event":"%s",' % kind.encode()
    return [b"".join((head, line[1:], b"\n")) for line in document_lines(kind, rows)]


def _text_lines(kind: Kind, rows: pl.DataFrame) -> list[bytes]:
    """``time event name=value …`` of what tells most; absent values are left out."""
    names = [name for name in _SHOWN if name in COLUMNS[kind]]
    found = rows.select("occurred_at", *names).iter_rows()
    return [_text_line(kind, names, occurred_at, values) for occurred_at, *values in found]


def _text_line(kind: Kind, names: Sequence[str], occurred_at: int, values: Sequence[Any]) -> bytes:
    shown = [f"{at_micros(occurred_at):%Y-%m-%dT%H:%M:%S.%fZ}", kind]
    for name, value in zip(names, values, strict=True):
        if value is None:
            continue
        if name == "cost_nanos":
            shown.append(f"cost={value / _NANOS:.9f}")
        else:
            shown.append(f"{name}={_safe(str(value))}")
    return " ".join(shown).encode() + b"\n"


def _safe(text: str) -> str:
    """As it is, or in quotes: what a terminal would obey is escaped."""
    if text.isprintable() and not {" ", '"', "="} & set(text) and text:
        return text
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in orjson.dumps(text).decode())


def open_sink(entry: StdoutEntry, _: SinkOpening) -> StdoutSink:
    """The sink of an entry."""
    return StdoutSink(entry.config.format)
