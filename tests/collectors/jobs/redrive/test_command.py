"""The command as it is typed: help with an example, arguments, exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from collectors.jobs.redrive.command import register_redrive
from tests.collectors.jobs.redrive.benches import Bench, letters_of, made


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's own are left as they are."""
    monkeypatch.setattr("sluice.logs.configure_logs", lambda *_: None)


def invoke(*arguments: str) -> Result:
    """As ``sluice`` with these."""
    app = typer.Typer()
    app.callback()(lambda: None)
    register_redrive(app)
    return CliRunner().invoke(app, ["redrive", *arguments])


def test_help_has_an_example() -> None:
    """And says what the exit codes are."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", invoke("--help").output)
    assert "Example: sluice redrive" in text
    assert "Exits 1" in text


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    """2, and one line on standard error."""
    result = invoke("--config", str(tmp_path / "none.yaml"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "none.yaml: cannot be read" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("nonsense",), "'nonsense' is no id"),
        (("--kind", "x"), "--kind: 'x' is none of"),
        (("--from", "x"), "--from: 'x' is no moment"),
        (("--to", "x"), "--to: 'x' is no moment"),
        (("--give-to", "x"), "--give-to: no enabled entry 'x'"),
        (("--job", "a b"), "--job: 'a b' is no name"),
        (("--resume", "gone"), "--resume: there is no job 'gone'"),
        (("--max-redrives", "0"), "Invalid value"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, arguments: tuple[str, ...], error: str) -> None:
    """2, with what can."""
    bench = Bench(tmp_path)
    bench.write()
    result = invoke(*arguments, "--config", str(bench.config), "--collectors", str(bench.collectors))
    assert result.exit_code == 2
    assert error in result.stderr


def test_arguments_arrive(tmp_path: Path) -> None:
    """Every one of them, as it was given."""
    bench = Bench(tmp_path)
    bench.write()
    common = ("--config", str(bench.config), "--collectors", str(bench.collectors), "--json")
    given = (
        "store/0/1", "--reason", "a", "--reason", "b", "--collector", "store", "--kind", "budget", "--from", "-1h",
        "--to", "now", "--give-to", "store", "--max-redrives", "7", "--job", "mine",
    )  # fmt: skip
    assert invoke(*given, *common).exit_code == 1, "nothing lies there"
    plan = json.loads((bench.data_dir / "jobs" / "mine" / "plan.json").read_text())
    assert plan["asked"] == {
        "letters": ["store/0/1"], "reasons": ["a", "b"], "collector": "store", "kinds": ["budget"], "since": "-1h",
        "until": "now", "give_to": "store", "max_redrives": 7,
    }  # fmt: skip
    assert invoke("--resume", "mine", *common).exit_code == 1


async def test_a_dry_run_is_typed_so(tmp_path: Path) -> None:
    """It counts, and writes nothing."""
    bench = Bench(tmp_path)
    bench.write()
    await bench.publish(letters_of(made(2)))
    assert (await bench.redrive(dry_run=True))[1]["matched"] == 2
    assert not (bench.data_dir / "jobs").exists()
