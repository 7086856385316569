"""The commands together: each has its help with an example, and the API is covered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from gateway.control.admin.commands import admin_app


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that name it."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, each in inner.items():
        yield from leaves(each, (*path, name))


def test_every_command_says_what_it_does_with_an_example() -> None:
    """A sentence, and a line to copy."""
    found = dict(leaves(get_command(admin_app())))
    assert len(found) > 35
    for path, command in found.items():
        text = " ".join((command.help or "").split())
        assert f"Example: sluice admin {' '.join(path)}" in text, path
        assert text.partition(" Example: ")[0].endswith("."), path


def test_every_command_can_be_told_where_and_who() -> None:
    """The same options everywhere; only what works on the database itself has no URL."""
    for path, command in leaves(get_command(admin_app())):
        options = {option for each in command.params for option in each.opts}
        wanted = {"--config"} if path == ("rotate-key",) else {"--url", "--token", "--config"}
        assert wanted <= options, path


def test_the_commands_that_people_look_for_are_there() -> None:
    """By their names."""
    found = {" ".join(path) for path, _ in leaves(get_command(admin_app()))}
    kinds = ("llms", "apps", "tokens", "prices", "plugins")
    verbs = {f"{kind} {verb}" for kind in kinds for verb in ("list", "show", "create", "update", "delete")}
    more = {"plugins attach", "apps link", "tokens rotate", "tokens revoke", "budgets show", "budgets history"}
    assert verbs - {"tokens update"} | more | {"audit", "system", "rotate-key"} <= found


def test_help_starts_anywhere() -> None:
    """Without a command the help is shown."""
    shown = CliRunner().invoke(admin_app(), [])
    assert "Exits 0 when it is done" in shown.output
