"""Nothing that comes from outside reaches a terminal as it is, and scripts get what they can read."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.operations.printing import Printer, json_text, printable


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "a\nb\rc\td",
    "\x9b31m",
    "\u202egnp.exe",
    "\u2028line",
    "\ud800",
    "\x7f\x00",
    "\U000e0041",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_terminal_would_obey_is_written_out(text: str) -> None:
    """Escape codes, line breaks, bidirectional overrides, C1 controls, tags, lone surrogates."""
    assert printable(text).isprintable()
    assert "\x1b" not in printable(text)


@given(st.text(st.characters(codec=None, categories=None)))
def test_any_text_is_printable_then_and_plain_text_is_unchanged(text: str) -> None:
    """Whatever a vendor calls its model."""
    assert printable(text).isprintable()
    if text.isprintable():
        assert printable(text) == text


@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53) | st.none()))
def test_json_reads_as_the_same_value_and_is_printable(value: dict[str, object]) -> None:
    """Escaped as JSON knows it, beyond the first 65,536 characters as two halves."""
    text = json_text(value)
    assert text.isprintable()
    assert json.loads(text) == value


def test_a_table_is_bold_for_eyes_alone() -> None:
    """No escape code of ours goes into a file, and there no cell is cut."""
    plain, eyes = io.StringIO(), Terminal()
    for out in (plain, eyes):
        Printer(out=out).table(["name", "count"], [["x" * 80, 3], ["\x1b[31m", None]])
    assert "\x1b" not in plain.getvalue()
    assert "x" * 80 in plain.getvalue()
    assert plain.getvalue().splitlines()[0].split() == ["NAME", "COUNT"]
    assert "x" * 80 not in eyes.getvalue()
    assert eyes.getvalue().count("\x1b") == 2, "the head's, and not the cell's"
    assert "\\x1b[31m" in eyes.getvalue()
    assert plain.getvalue().splitlines()[2].split()[-1] == "-"


def test_a_bar_is_for_eyes_alone() -> None:
    """It is drawn over itself on standard error, and ends its line with the last step."""
    file, eyes = io.StringIO(), Terminal()
    for err in (file, eyes):
        printer = Printer(out=io.StringIO(), err=err)
        printer.progress(1, 4, "rows")
        printer.progress(4, 4, "rows")
    assert file.getvalue() == ""
    assert eyes.getvalue().count("\r") == 2
    assert eyes.getvalue().endswith("4/4\n")


def test_lines_are_seen_at_once() -> None:
    """Whoever follows sees each record as it comes."""

    class Counting(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    out = Counting()
    printer = Printer(out=out, as_json=True)
    printer.object({"a": "\x1b"})
    printer.line("b")
    assert out.flushed == 2
    assert out.getvalue() == '{"a":"\\u001b"}\nb\n'
