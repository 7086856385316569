"""``sluice admin``: all of its commands together."""

from __future__ import annotations

import typer

from gateway.control.admin import links, reports
from gateway.control.admin.resources import RESOURCES, resource_commands
from gateway.control.admin.rotation import rotate_key
from sluice.command_line.application import Application

_HELP = """Manage a gateway over its control API.

Exits 0 when it is done, 1 when the API refuses, 2 when it cannot be asked.

Example: sluice admin apps create name=bench 'llm_ids=[1]' monthly_budget=12.50
"""


def admin_app() -> typer.Typer:
    """The sub-command, to be added to ``sluice``."""
    app = Application(name="admin", help=_HELP)
    for resource in RESOURCES:
        commands = resource_commands(resource)
        _add_more(resource.name, commands)
        app.add_typer(commands, name=resource.name)
    budgets = Application(help="Show and change budgets.\n\nExample: sluice admin budgets show")
    budgets.command("show")(reports.show_budgets)
    budgets.command("history")(reports.budget_history)
    budgets.command("update")(reports.update_budget)
    app.add_typer(budgets, name="budgets")
    app.command("audit")(reports.audit)
    app.command("system")(reports.system)
    app.command("call")(reports.call)
    app.command("rotate-key")(rotate_key)
    return app


def _add_more(resource: str, commands: typer.Typer) -> None:
    if resource == "plugins":
        commands.command("attach")(links.attach)
        commands.command("attached")(links.attached)
        commands.command("configure")(links.configure)
        commands.command("test")(links.try_out)
        commands.command("health")(links.health)
    elif resource == "apps":
        commands.command("link")(links.link)
    elif resource == "tokens":
        commands.command("rotate")(links.rotate)
        commands.command("revoke")(links.revoke)
