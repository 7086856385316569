"""How commands end: their exit codes, their errors, and readers that leave."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from collectors.errors import Halt, Retryable
from collectors.operations.running import OK, USAGE, WRONG, UsageError, run, settings_of
from collectors.settings import HostSettings
from sluice.command_line.ending import INTERRUPTED
from sluice.eventlog.interface import EventLogError


def code_of(error: BaseException | int) -> int:
    """How a command ends that raises, or returns, this."""

    async def work() -> int:
        if isinstance(error, int):
            return error
        raise error

    with pytest.raises(typer.Exit) as ended:
        run(work)
    return int(ended.value.exit_code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (0, OK),
        (1, WRONG),
        (UsageError("no"), USAGE),
        (EventLogError("away"), WRONG),
        (Retryable("later"), WRONG),
        (Halt("no", "grant it"), WRONG),
        (KeyboardInterrupt(), INTERRUPTED),
    ],
)
def test_exit_codes(error: BaseException | int, code: int) -> None:
    """0 well, 1 wrong, 2 asked for what is not, 130 interrupted, as the root help says."""
    assert code_of(error) == code


def test_errors_are_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """So that what a script reads is results alone."""
    code_of(EventLogError("Kafka is away; check kafka.bootstrap_servers"))
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Kafka is away; check kafka.bootstrap_servers\n")


def test_bad_settings_name_the_file_and_the_key(tmp_path: Path) -> None:
    """As everywhere else."""
    path = tmp_path / "sluice.yaml"
    path.write_text("journal: {max_bytes: -1}\n")
    with pytest.raises(UsageError, match=r"sluice\.yaml: journal\.max_bytes"):
        settings_of(path, HostSettings)
    with pytest.raises(UsageError, match="cannot be read"):
        settings_of(tmp_path / "none.yaml", HostSettings)


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    """No traceback, not even from the interpreter's last flush, and code 0."""
    script = (
        "import asyncio\nfrom collectors.operations.printing import Printer\n"
        "from collectors.operations.running import run\n"
        "async def work():\n    printer = Printer()\n    print('in the buffer', end='')\n"
        "    while True:\n        printer.line('x' * 1000)\n"
        "import typer\ntry:\n    run(work)\nexcept typer.Exit as ended:\n    raise SystemExit(ended.exit_code)\n"
    )
    reading, writing = os.pipe()
    child = subprocess.Popen([sys.executable, "-c", script], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, b"")
