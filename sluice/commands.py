"""How packages add to the ``sluice`` command.

The entry-point group ``sluice.commands`` names functions that take a ``Commands`` and register what they have, so that
the base never imports upward (Flask does the same with ``flask.commands``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer

from sluice.command_line.application import Panel
from sluice.command_line.findings import Check

GROUP = "sluice.commands"

STAND_INS = {
    "gateway": ("gateway", "admin", "budgets", "prices", "import"),
    "collectors": (
        "collect", "topics", "tail", "dead-letters", "collectors", "gateways", "retention", "replay", "redrive",
        "reprice", "archive", "reconcile", "budget-truth",
    ),
}  # fmt: skip
"""What each extra's package adds: whoever asks for one without the extra is told what to install."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What is to be said of valid settings."""

    problems: tuple[str, ...] = ()
    """What keeps them from being used on this host."""
    notes: tuple[str, ...] = ()
    """What is not the recommended form."""


Examine = Callable[[dict[str, Any], Any, Path], Examined]
"""Looks at a document, the settings that it makes, and the folder where relative paths begin."""


@dataclass(frozen=True, slots=True)
class SettingsTree:
    """One kind of settings file."""

    name: str
    recognises: Callable[[dict[str, Any]], bool]
    load: Callable[[Path], Any]
    """Validates a file; raises ``SettingsError``."""
    notes: Callable[[Any], Iterable[str]] = lambda _settings: ()
    """What in valid settings is not the recommended form."""
    examine: Examine = lambda _document, _settings, _folder: Examined()
    read_address: Callable[[str], tuple[dict[str, Any], Any]] | None = None
    """The document that a service serves at an address, and its settings; raises ``SettingsError``. Where there is such
    a service."""


@dataclass(slots=True)
class Commands:
    """What packages register."""

    app: typer.Typer
    settings: list[SettingsTree] = field(default_factory=list)
    checks: dict[str, Check] = field(default_factory=dict)

    def add_settings(
        self,
        name: str,
        recognises: Callable[[dict[str, Any]], bool],
        load: Callable[[Path], Any],
        notes: Callable[[Any], Iterable[str]] = lambda _settings: (),
        examine: Examine = lambda _document, _settings, _folder: Examined(),
        read_address: Callable[[str], tuple[dict[str, Any], Any]] | None = None,
    ) -> None:
        """A settings file that ``sluice validate`` knows."""
        self.settings.append(SettingsTree(name, recognises, load, notes, examine, read_address))

    def add_check(self, name: str, check: Check) -> None:
        """Something that ``sluice doctor`` looks at."""
        self.checks[name] = check


def load_commands(app: typer.Typer) -> Commands:
    """Every package's commands; where an extra is not installed its command says what to install.

    A package registers what needs no extra (its settings, for ``validate``) before what does.
    """
    commands = Commands(app)
    for entry in sorted(entry_points(group=GROUP), key=lambda found: found.name, reverse=True):
        try:
            entry.load()(commands)
        except ModuleNotFoundError as error:
            _add_missing(app, entry.name, error.name or "a package")
    return commands


def need(*modules: str) -> None:
    """Raise ModuleNotFoundError for the first that is not installed; called by whoever registers a command."""
    for module in modules:
        if find_spec(module) is None:
            raise ModuleNotFoundError(name=module)


def _add_missing(app: typer.Typer, extra: str, module: str) -> None:
    """Stand in for the commands of a package whose extra is missing, and say how to have them."""
    anything = {"allow_extra_args": True, "ignore_unknown_options": True}

    def missing() -> None:
        typer.echo(f"{module} is not installed: pip install 'sluice-gateway[{extra}]'", err=True)
        raise typer.Exit(2)

    text = f"Not installed: pip install 'sluice-gateway[{extra}]'."
    for name in STAND_INS.get(extra, (extra,)):
        app.command(name, help=text, context_settings=anything, rich_help_panel=Panel.MISSING)(missing)
