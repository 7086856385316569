"""``sluice archive`` on the command line: its help has an example, and errors are exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from collectors.services.archive.command import register_archive


@pytest.fixture
def app() -> Typer:
    """The command, beside another."""
    made = Typer()
    register_archive(made)
    made.command("other")(lambda: None)
    return made


def test_help_has_an_example(app: Typer) -> None:
    """As every command's."""
    shown = CliRunner().invoke(app, ["archive", "--help"], env={"COLUMNS": "200"}).output
    assert "sluice archive verify --from -7d --against-log" in shown


def test_what_there_is_not_is_exit_code_2(app: Typer, tmp_path: Path) -> None:
    """With the key to set."""
    (tmp_path / "sluice.yaml").write_text("{}")
    (tmp_path / "collectors.yaml").write_text("{}")
    files = ["--collectors", str(tmp_path / "collectors.yaml"), "--config", str(tmp_path / "sluice.yaml")]
    result = CliRunner().invoke(app, ["archive", "verify", *files])
    assert result.exit_code == 2
    assert "archive: is not set" in result.output
