"""What commands print: text without anything that a terminal would obey, JSON lines, and tables that scripts can read.

Model names, prompts and error messages come from outside. Whatever in them is not printable is written out (``\\x1b``),
in JSON as ``\\u001b``, so that no escape code, no bidirectional override and no line break of theirs gets through.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import orjson

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_MAX_CELL = 60
_ONE_BYTE, _TWO_BYTES = 0x100, 0x10000


def printable(text: str) -> str:
    """The text with everything written out that is not to be seen."""
    return text if text.isprintable() else "".join(_written_out(each) for each in text)


def _written_out(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code < _ONE_BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < _TWO_BYTES else f"\\U{code:08x}"


def json_text(value: Any) -> str:
    """One line of JSON that a terminal can be shown; it reads as the same value."""
    try:
        text = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # nested deeper than orjson writes, though it reads it
        text = json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))
    return text if text.isprintable() else "".join(_json_escape(each) for each in text)


def _json_escape(character: str) -> str:
    """Only within strings can there be any: what stands around them is printable."""
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


class Printer:
    """Prints results; what is said beside them goes to standard error."""

    def __init__(self, *, as_json: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.as_json = as_json
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self.is_terminal = self._out.isatty()

    def line(self, text: str = "") -> None:
        """A line of text, seen at once."""
        self._write(printable(text))

    def object(self, value: Any) -> None:
        """A line of JSON, seen at once."""
        self._write(json_text(value))

    def _write(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()

    def note(self, text: str) -> None:
        """Beside the results."""
        self._err.write(printable(text) + "\n")
        self._err.flush()

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Columns as wide as what is in them. For eyes a head in bold, and long cells cut; else neither."""
        head = [name.upper() for name in columns]
        body = [[printable(_cell(value)) for value in row] for row in rows]
        if self.is_terminal:
            body = [[_cut(text) for text in row] for row in body]
        widths = [max(len(row[at]) for row in [head, *body]) for at in range(len(head))]
        first = _joined(head, widths)
        self._write_table(f"{_BOLD}{first}{_PLAIN}" if self.is_terminal else first, body, widths)

    def _write_table(self, head: str, body: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
        self._out.write("\n".join([head, *(_joined(row, widths) for row in body)]) + "\n")
        self._out.flush()

    def progress(self, done: int, total: int, what: str) -> None:
        """A bar on standard error, where that is a terminal; the last call ends its line."""
        if not self._err.isatty():
            return
        width = max(10, min(40, shutil.get_terminal_size().columns - len(what) - 20))
        filled = width if not total else min(width, width * done // total)
        end = "\n" if done >= total else ""
        self._err.write(f"\r{printable(what)} [{'#' * filled}{'.' * (width - filled)}] {done}/{total}{end}")
        self._err.flush()


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CELL else text[: _MAX_CELL - 1] + "…"


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
