"""``sluice budget-truth`` as people type it."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from collectors.services.budget_truth.command import register_budget_truth


def run(*arguments: str) -> tuple[int, str]:
    """Its exit code, and all it said."""
    app = typer.Typer()
    register_budget_truth(app)
    app.command("other")(lambda: None)
    result = CliRunner().invoke(app, ["budget-truth", *arguments])
    return result.exit_code, result.output


def test_help_has_every_action_and_an_example() -> None:
    """On one screen."""
    code, text = run("--help")
    assert code == 0
    assert all(word in text for word in ("status", "check", "rebuild", "rewind", "--json", "Example"))


@pytest.mark.parametrize("action", ["status", "nonsense"])
def test_what_is_not_there_ends_with_2(action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says what is missing."""
    monkeypatch.chdir(tmp_path)
    code, text = run(action)
    assert code == 2
    assert ("collectors.yaml" in text) if action == "status" else ("is none of status" in text)
