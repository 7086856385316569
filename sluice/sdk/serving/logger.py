"""A plugin's log: JSON lines on standard error, with the keys that hosts of the protocol read."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

from sluice.clock import iso_micros, now_micros


class StderrLogger:
    """One line for each call; a value that is no JSON is written as its ``repr``. Never raises."""

    def __init__(self, plugin: str, out: TextIO | None = None) -> None:
        """``out`` is standard error where it is not given."""
        self._plugin = plugin
        self._out = out

    def debug(self, event: str, **values: Any) -> None:
        """For the author alone."""
        self._write("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        """Worth knowing."""
        self._write("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        """Somebody should look, some day."""
        self._write("warn", event, values)

    def error(self, event: str, **values: Any) -> None:
        """Somebody should look, now."""
        self._write("error", event, values)

    def _write(self, level: str, event: str, values: dict[str, Any]) -> None:
        said = {"@level": level, "@message": event, "@module": self._plugin, "@timestamp": iso_micros(now_micros())}
        try:
            line = json.dumps({**values, **said}, default=repr)
            print(line, file=self._out or sys.stderr, flush=True)
        except (OSError, ValueError, TypeError, RecursionError):
            return  # nobody reads any more, or a value holds itself: no reason for an exchange to fail
