"""Tests of ``collectors.jobs.reprice.command``: help with an example, and refusals as exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from collectors.jobs.reprice.command import register_reprice
from tests.integration.stack import write_yaml


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """With a second command, as in life: an only one would be the program itself."""
    monkeypatch.setattr("sluice.logs.configure_logs", lambda _level: None)  # it is the whole process's
    made = typer.Typer()
    register_reprice(made)
    made.command("other")(lambda: None)
    return made


def test_help_has_an_example(app: typer.Typer) -> None:
    """And names what it can be asked for."""
    shown = CliRunner().invoke(app, ["reprice", "--help"]).output
    for word in ("Example: sluice reprice", "--price-version", "--corrections", "--estimated", "--csv"):
        assert word in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--price-version"),
        (["--price-version", "2"], "price_version"),
        (["--price-version", "1", "--sink", "x"], "--rebuild"),
        (["--price-version", "1", "--prices", "nowhere.yaml"], "nowhere.yaml"),
        (["--price-version", "1", "--prices", "control", "--collectors", "{folder}/collectors.yaml"], "control.url"),
        (["--resume", "nothing"], "there is no job"),
        (["--price-version", "1"], "nothing of it"),
    ],
)
def test_what_cannot_be_is_refused(app: typer.Typer, tmp_path: Path, arguments: list[str], says: str) -> None:
    """With exit code 2, and a message that names the option."""
    config = write_yaml(tmp_path / "sluice.yaml", {"data_dir": str(tmp_path / "data")})
    write_yaml(tmp_path / "collectors.yaml", {})
    given = [each.format(folder=tmp_path) for each in arguments]
    found = CliRunner().invoke(app, ["reprice", "--config", str(config), *given])
    assert (found.exit_code, says in found.output + (found.stderr or "")) == (2, True), found.output
