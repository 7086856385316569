"""Logs: one line of JSON to standard error where nobody watches, and libraries only where operators must see."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from sluice.logs import configure_logs

LIBRARIES = ("uvicorn.error", "aiokafka")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Logging is of the whole process: leave it as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What went to standard error, each line as the object it is; nothing may go to standard output."""
    written = capsys.readouterr()
    assert written.out == ""
    return [json.loads(line) for line in written.err.splitlines()]


def test_a_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """The phrase, its level, a UTC time and the key-values, whatever they hold: no value breaks the line."""
    configure_logs(as_json=True)
    structlog.get_logger("any").info("journal full", path="a\nb\x00é", size_bytes=7)
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "journal full", "level": "info", "path": "a\nb\x00é", "size_bytes": 7}


def test_an_exception_is_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the traceback as one value, so that a log of lines stays one."""
    configure_logs(as_json=True)
    try:
        int("broken")
    except ValueError:
        structlog.get_logger().exception("sweep failed")
    (line,) = lines(capsys)
    assert line["level"] == "error"
    assert "ValueError: invalid literal" in line["exception"]


@pytest.mark.parametrize(("level", "said"), [("debug", 4), ("INFO", 3), ("warning", 2), ("error", 1)])
def test_what_is_below_the_level_is_not_said(capsys: pytest.CaptureFixture[str], level: str, said: int) -> None:
    """Levels are those of the command, in any case of letters."""
    configure_logs(level, as_json=True)
    logger = structlog.get_logger()
    for say in (logger.debug, logger.info, logger.warning, logger.error):
        say("a phrase")
    assert len(lines(capsys)) == said


def test_an_unknown_level_is_refused() -> None:
    """A misspelt level is an error, not silence."""
    with pytest.raises(KeyError):
        configure_logs("chatty")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_json_unless_somebody_watches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    """A terminal gets readable lines, everything else JSON."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    configure_logs()
    structlog.get_logger().info("worker started", worker="w0")
    text = capsys.readouterr().err
    assert "worker started" in text
    assert text.startswith("{") != is_terminal


def test_libraries_say_only_what_operators_must_see(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warnings of libraries pass; the server's and the Kafka client's errors are ours to say, and do not."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest has put its own there
    configure_logs(as_json=True)
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("certificate expires")
    logging.getLogger("uvicorn.error").error("connection closed")
    logging.getLogger("aiokafka.conn").error("no broker")
    assert capsys.readouterr().err == "WARNING some.library certificate expires\n"


def test_services_do_not_carry_what_colours_tracebacks() -> None:
    """rich is neither loaded with the logs nor kept from whoever wants it afterwards."""
    program = (
        "import sys; from sluice.logs import configure_logs; configure_logs()\n"
        "assert 'structlog' in sys.modules and 'rich' not in sys.modules\n"
        "import rich; configure_logs(); assert sys.modules['rich'] is rich"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
