"""The command line of ``sluice reconcile``."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.testing import CliRunner

from collectors.services.reconcile.command import register_reconcile


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and all output."""
    app = typer.Typer()
    app.callback()(lambda: None)
    register_reconcile(app)
    result = CliRunner().invoke(app, ["reconcile", *arguments])
    return result.exit_code, result.output


def test_help_has_an_example() -> None:
    """And every option."""
    code, text = run("--help")
    assert code == 0
    for word in ("--from", "--to", "--sink", "--kind", "--limit", "--expect-all", "--csv", "--json", "Example:"):
        assert word in text


def test_usage_is_2(tmp_path: Path) -> None:
    """A file that is not there, and a kind that is none, are said with the remedy."""
    code, text = run("--collectors", str(tmp_path / "none.yaml"))
    assert (code, "none.yaml" in text) == (2, True)
    code, text = run("--kind", "budgets")
    assert (code, "--kind: 'budgets' is none of" in text) == (2, True)
