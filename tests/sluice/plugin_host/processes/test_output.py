"""What plugins print goes into the log in their own words, bounded in every way."""

from __future__ import annotations

import time

import pytest

from sluice.plugin_host.processes.output import MAX_LINE_BYTES, Lines, Output
from sluice.sdk.fakes import LogEntry, RecordingLogger


class Printed:
    """An output and its log."""

    def __init__(self, max_lines: int = 1000) -> None:
        self.logger = RecordingLogger()
        self.output = Output(self.logger, max_lines)
        self.lines = Lines(self.output, "stderr")

    def entries(self) -> list[LogEntry]:
        return [entry for entry in self.logger.entries if entry.event == "plugin printed"]

    def messages(self) -> list[str]:
        return [entry.values["message"] for entry in self.entries()]

    def dropped(self) -> int:
        return sum(entry.values.get("lines_dropped", 0) for entry in self.logger.entries)


@pytest.mark.parametrize(
    ("line", "level", "message", "values"),
    [
        (b"plain text", "info", "plain text", None),
        (b'{"@level":"warn","@message":"slow","@module":"m","@timestamp":"t"}', "warning", "slow", {"@module": "m"}),
        (b'{"level":"error","message":"bad","time":1}', "error", "bad", None),
        (b'{"level":"panic","msg":"bad"}', "error", "bad", None),
        (b'{"level":30,"msg":"numbered"}', "info", "numbered", None),
        (b'{"@level":"trace","@message":"deep"}', "debug", "deep", None),
        (b'{"no":"message"}', "info", '{"no":"message"}', None),
        (b'{"broken', "info", '{"broken', None),
        (b'["a"]', "info", '["a"]', None),
        (b"\xff\xfe", "info", "\ufffd\ufffd", None),
    ],
)
def test_lines_are_understood(line: bytes, level: str, message: str, values: dict[str, str] | None) -> None:
    """JSON of Go's loggers by its own level and message; everything else is text."""
    printed = Printed()
    printed.lines.feed(line + b"\n")
    expected = {"stream": "stderr", "message": message, **({"values": values} if values else {})}
    assert printed.entries() == [LogEntry(level, "plugin printed", expected)]


def test_lines_come_in_pieces() -> None:
    """Wherever the stream is cut; blank ones are none, the last needs no end."""
    printed = Printed()
    for piece in (b"on", b"e\n\n  \ntw", b"o\nthree\nfo"):
        printed.lines.feed(piece)
    assert printed.messages() == ["one", "two", "three"]
    printed.lines.feed(b"ur")
    printed.lines.end()
    assert printed.messages()[3:] == ["four"]


def test_a_line_without_end_is_cut() -> None:
    """And takes no more memory than a line may."""
    printed = Printed()
    for _ in range(100):
        printed.lines.feed(b"x" * 100_000)
    assert len(printed.lines._begun) <= MAX_LINE_BYTES + 1
    printed.lines.feed(b"\nnext\n")
    assert [len(message) for message in printed.messages()] == [MAX_LINE_BYTES, 4]


def test_a_flood_is_counted_and_costs_next_to_nothing() -> None:
    """So many lines a second, and how many more there were: none is lost from the count."""
    printed = Printed(max_lines=10)
    flood = b"a line of a flood\n" * 10_000
    began = time.process_time()
    for _ in range(100):
        printed.lines.feed(flood)
    assert time.process_time() - began < 1
    printed.output.report()
    logged = len(printed.entries())
    assert 10 <= logged <= 30
    assert logged + printed.dropped() == 1_000_000


def test_what_was_dropped_is_told_with_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood that is over is not told at the next ping: before what comes next."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    printed = Printed(max_lines=2)
    printed.lines.feed(b"1\n2\n3\n4\n")
    assert (printed.messages(), printed.dropped()) == (["1", "2"], 0)
    now += 1.5
    printed.lines.feed(b"5\n")
    assert [entry.event for entry in printed.logger.entries[2:]] == ["plugin printed too much", "plugin printed"]
    assert printed.dropped() == 2


def test_no_lines_at_all_may_be_wanted() -> None:
    """A bound of 0 logs nothing, and counts."""
    printed = Printed(max_lines=0)
    printed.lines.feed(b"one\ntwo\n")
    printed.output.report()
    assert (printed.messages(), printed.dropped()) == ([], 2)


def test_nothing_is_reported_where_nothing_was_dropped() -> None:
    """A quiet plugin has a quiet log."""
    printed = Printed()
    printed.output.report()
    assert printed.logger.entries == []


def test_last_words_are_kept_though_they_were_not_logged() -> None:
    """They explain an end."""
    printed = Printed(max_lines=0)
    for number in range(10):
        printed.output.take("stderr", f"line {number}".encode())
    assert printed.output.last_words == "line 7 / line 8 / line 9"
    printed.output.take("stderr", b'{"@level":"error","@message":"no such host"}')
    assert printed.output.last_words == "line 8 / line 9 / no such host"


def test_a_first_line_goes_to_who_waits_for_it() -> None:
    """The rest goes into the log; a first line that never ends is handed over too, to be refused."""
    printed, first = Printed(), list[bytes]()
    lines = Lines(printed.output, "stdout", first.append)
    lines.feed(b"1|1|unix")
    lines.feed(b"|/s|grpc|\nmore\n")
    assert (first, printed.messages()) == ([b"1|1|unix|/s|grpc|"], ["more"])
    endless = Lines(printed.output, "stdout", first.append)
    endless.feed(b"x" * 50_000)
    assert len(first[1]) > MAX_LINE_BYTES


def test_blank_lines_are_a_flood_too() -> None:
    """They are not logged, and looked at no more than others."""
    printed = Printed(max_lines=10)
    began = time.process_time()
    for _ in range(400):
        printed.lines.feed(b"\n" * 65_536)
    assert time.process_time() - began < 1
    printed.output.report()
    assert printed.messages() == []
    assert printed.dropped() > 26_000_000


@pytest.mark.parametrize("line", [b"\x1b[2J\r\xc2\x9b1mgone", b'{"level":"info","msg":"\\u001b[2J\\r\\u009b1mgone"}'])
def test_what_would_steer_a_terminal_is_escaped(line: bytes) -> None:
    """Operators look at logs in terminals: a plugin must not wipe what others said, nor write in their name."""
    printed = Printed()
    printed.output.take("stderr", line)
    assert printed.messages() == [r"\x1b[2J\r\x9b1mgone"]
    assert printed.output.last_words == printed.messages()[0]


def test_what_is_nested_too_deep_for_a_log_is_text() -> None:
    """Whoever renders it would fail, and with it the reading of everything else."""
    printed = Printed()
    line = b'{"message":"m","a":' + b"[" * 1000 + b"]" * 1000 + b"}"
    printed.output.take("stderr", line)
    assert printed.messages() == [line.decode()]
