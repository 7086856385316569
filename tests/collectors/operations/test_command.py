"""The commands as they are typed: help with an example, arguments, exit codes, and what loading them costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from collectors.operations.command import register_operations

COMMANDS = ("topics", "tail", "dead-letters", "collectors", "retention")


def invoke(*arguments: str) -> Result:
    """As ``sluice`` with these."""
    app = typer.Typer()
    app.callback()(lambda: None)
    register_operations(app)
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_json(command: str) -> None:
    """The example begins with the command itself, and every command speaks to scripts."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", invoke(command, "--help").output)
    assert f"Example: sluice {command}" in text
    assert "--json" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_not_there_is_named(command: str, tmp_path: Path) -> None:
    """2, and one line on standard error."""
    option = "--collectors" if command in {"collectors", "retention"} else "--config"
    result = invoke(command, option, str(tmp_path / "none.yaml"))
    assert result.exit_code == 2
    assert "none.yaml: cannot be read" in result.stderr
    assert result.stdout == ""


def test_arguments_arrive(tmp_path: Path) -> None:
    """A relative moment is a value, not an option; journals that are not there are empty, which is well."""
    config = tmp_path / "sluice.yaml"
    config.write_text(f"data_dir: {tmp_path}\n")
    common = ("--config", str(config), "--json")
    tail = invoke(
        "tail", "analytics", "--from", "-10m", "--no-follow", "--where", "app_id = 7", "--limit", "3", *common
    )
    assert (tail.exit_code, tail.output) == (0, "")
    letters = invoke("dead-letters", "count", "--from", "-1d", "--kind", "budget", *common)
    assert (letters.exit_code, letters.output) == (0, "")
    assert invoke("topics", "lag", "--group", "g", *common).exit_code == 1
    assert invoke("topics", "list", *common).exit_code == 0
    assert invoke("tail", "--limit", "-1", *common).exit_code == 2


def test_sluice_help_loads_nothing_heavy() -> None:
    """The work of a command is imported when it is done."""
    heavy = ["aiohttp", "aiokafka", "polars", "sqlalchemy", "fastavro"]
    script = (
        "import sys, typer\nfrom collectors.operations.command import register_operations\n"
        f"register_operations(typer.Typer())\nprint(*(set({heavy!r}) & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
