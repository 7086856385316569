"""The commands of services are there."""

from __future__ import annotations

import typer
from typer.main import get_command

from collectors.services.command import register_services


def test_each_service_has_its_command() -> None:
    """By its name, with help."""
    app = typer.Typer()
    app.callback()(lambda: None)
    register_services(app)
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert "reconcile" in commands
    assert all(command.help for command in commands.values())
