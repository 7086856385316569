"""The commands of services: each does once, by hand, what its service does on and on."""

from __future__ import annotations

import typer

from collectors.services.archive.command import register_archive
from collectors.services.budget_truth.command import register_budget_truth
from collectors.services.reconcile.command import register_reconcile


def register_services(app: typer.Typer) -> None:
    """Add them to the ``sluice`` command."""
    register_archive(app)
    register_reconcile(app)
    register_budget_truth(app)
