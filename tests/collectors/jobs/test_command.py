"""Every job has its command."""

from __future__ import annotations

import typer
from typer.testing import CliRunner

from collectors.jobs.command import register_jobs


def test_jobs_are_commands_with_an_example() -> None:
    """Each says in its help how it is used."""
    app = typer.Typer()
    register_jobs(app)
    names = [command.name for command in app.registered_commands]
    assert {"replay", "redrive"} <= set(names)
    for name in names:
        assert "Example: sluice" in CliRunner().invoke(app, [name or "", "--help"]).output
