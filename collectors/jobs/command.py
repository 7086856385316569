"""The commands that run to an end. Each job brings its own; here is one line for each."""

from __future__ import annotations

import typer

from collectors.jobs.redrive.command import register_redrive
from collectors.jobs.replay.command import register_replay
from collectors.jobs.reprice.command import register_reprice


def register_jobs(app: typer.Typer) -> None:
    """Add them to the ``sluice`` command."""
    register_replay(app)
    register_redrive(app)
    register_reprice(app)
