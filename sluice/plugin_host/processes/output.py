"""What a plugin prints, line by line into our log: bounded in length and number, so that a flood costs next to nothing.

Go plugins log JSON lines (``@level``, ``@message``; or ``level``, ``message``), others log text. What would steer a
terminal is written as its escape.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from sluice.sdk.services import Logger

MAX_LINE_BYTES = 8 << 10
"""What is longer is cut."""

_WINDOW_SECONDS = 1.0
_REMEMBERED_LINES = 3
_LEVELS = {"trace": "debug", "debug": "debug", "warn": "warning", "warning": "warning", "error": "error"}
_LEVELS |= {"fatal": "error", "panic": "error"}
_LEVEL_KEYS, _MESSAGE_KEYS = ("@level", "level"), ("@message", "message", "msg", "event")
_LEFT_OUT = frozenset((*_LEVEL_KEYS, *_MESSAGE_KEYS, "@timestamp", "timestamp", "time", "ts"))


class Output:
    """Takes the lines of one plugin's streams, and lets so many a second into the log."""

    def __init__(self, logger: Logger, max_lines_per_second: int) -> None:
        self._logger = logger
        self._max_lines = max_lines_per_second
        self._window_ends = 0.0
        self._left = 0
        self._dropped = 0
        self._last: deque[bytes] = deque(maxlen=_REMEMBERED_LINES)

    @property
    def last_words(self) -> str:
        """Its last lines, to explain an end; short."""
        return " / ".join(_understood(line)[1][:200] for line in self._last)

    def take(self, stream: str, line: bytes) -> None:
        """One line, without its end. A blank one is not logged, and counts: it costs as much to look at."""
        is_blank = not line.strip()
        if not is_blank:
            self._last.append(line)
        if self._may_log() and not is_blank:
            level, message, values = _understood(line)
            getattr(self._logger, level)("plugin printed", stream=stream, message=message, **values)

    def drop(self, lines: int) -> None:
        """Lines that nobody will look at."""
        self._dropped += lines

    @property
    def is_full(self) -> bool:
        """Whether no further line would be logged now."""
        return self._left <= 0 and time.monotonic() < self._window_ends

    def report(self) -> None:
        """Say how many lines were dropped since the last time."""
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._logger.warning("plugin printed too much", lines_dropped=dropped, max_per_second=self._max_lines)

    def say_stuck(self, pid: int) -> None:
        """A process was killed and did not end yet."""
        self._logger.warning("plugin process does not end", pid=pid)

    def _may_log(self) -> bool:
        now = time.monotonic()
        if now >= self._window_ends:
            self._window_ends, self._left = now + _WINDOW_SECONDS, self._max_lines
            self.report()
        if self._left <= 0:
            self._dropped += 1
            return False
        self._left -= 1
        return True


class Lines:
    """One stream's bytes, cut into lines for ``take``; ``drop`` is told how many lines went by while ``is_full``."""

    def __init__(self, output: Output, stream: str, first: Callable[[bytes], None] | None = None) -> None:
        """``first`` gets the first line instead, or what is too long to be one."""
        self._output = output
        self._stream = stream
        self._first = first
        self._begun = b""

    def feed(self, data: bytes) -> None:
        """Bytes as they come."""
        begin = 0
        while (end := data.find(b"\n", begin)) >= 0:
            if self._first is None and self._output.is_full:
                self._output.drop(data.count(b"\n", begin))
                begin, self._begun = data.rfind(b"\n") + 1, b""
                break
            self._give(self._begun + data[begin:end])
            begin, self._begun = end + 1, b""
        self._begun = (self._begun + data[begin : begin + MAX_LINE_BYTES + 1])[: MAX_LINE_BYTES + 1]
        if self._first is not None and len(self._begun) > MAX_LINE_BYTES:
            self._give(self._begun)

    def end(self) -> None:
        """Nothing follows: what was begun is a line."""
        begun, self._begun = self._begun, b""
        if begun:
            self._give(begun)

    def _give(self, line: bytes) -> None:
        first, self._first = self._first, None
        if first is not None:
            first(line)
        else:
            self._output.take(self._stream, line[:MAX_LINE_BYTES])


def _understood(line: bytes) -> tuple[str, str, dict[str, Any]]:
    """Level, message and what else a line says."""
    if line.lstrip()[:1] == b"{":
        try:
            said = orjson.loads(line)
            orjson.dumps(said)  # refuses what is nested too deep for whoever renders the log
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            said = None
        if isinstance(said, dict) and (message := _of(said, _MESSAGE_KEYS)):
            values = {name: value for name, value in said.items() if name not in _LEFT_OUT}
            level = _LEVELS.get(_of(said, _LEVEL_KEYS).lower(), "info")
            return level, _printable(message), {"values": values} if values else {}
    return "info", _printable(line.decode("utf-8", "replace")), {}


def _printable(text: str) -> str:
    """Tabs and line ends stay."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in "\t\n" else ascii(each)[1:-1] for each in text)


def _of(said: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((value for name in names if isinstance(value := said.get(name), str)), "")
