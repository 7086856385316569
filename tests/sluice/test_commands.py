"""How packages add to the command: through an entry point, and without taking the others down where one is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from sluice import commands as commands_module
from sluice.command_line.application import Application
from sluice.command_line.findings import Finding, Installation
from sluice.commands import GROUP, STAND_INS, Commands, load_commands

REGISTERED: list[str] = []


def register_first(commands: Commands) -> None:
    """A package that has everything."""
    REGISTERED.append("first")
    commands.app.command("hello")(lambda: typer.echo("hello"))
    commands.add_settings("first", lambda document: "first" in document, lambda path: path.name)
    commands.add_check("first", find_nothing)


def register_second(commands: Commands) -> None:
    """A package that has a command."""
    REGISTERED.append("second")
    commands.app.command("bye")(lambda: typer.echo("bye"))


def find_nothing(installation: Installation) -> Iterator[Finding]:
    """A check that is content."""
    yield Finding(True, str(installation.config))


def entry(name: str, target: str) -> EntryPoint:
    """An installed package's entry point; its target may be missing."""
    return EntryPoint(name, target, GROUP)


@pytest.fixture(name="installed")
def installed_packages(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[typer.Typer, Commands]]:
    """Load the command as if these packages were the installed ones."""
    REGISTERED.clear()

    def load(*entries: EntryPoint) -> tuple[typer.Typer, Commands]:
        def found(*, group: str) -> tuple[EntryPoint, ...]:
            return tuple(each for each in entries if each.group == group)

        monkeypatch.setattr(commands_module, "entry_points", found)
        app = typer.Typer(rich_markup_mode=None)
        return app, load_commands(app)

    return load


def test_what_packages_register_is_there(installed: Any) -> None:
    """Commands, settings and checks of every package; entry points of other groups are not ours."""
    app, commands = installed(
        entry("a", f"{__name__}:register_first"),
        entry("b", f"{__name__}:register_second"),
        EntryPoint("c", "nowhere:at_all", "flask.commands"),
    )
    assert sorted(REGISTERED) == ["first", "second"]
    assert CliRunner().invoke(app, ["hello"]).output == "hello\n"
    assert CliRunner().invoke(app, ["bye"]).output == "bye\n"
    (tree,) = commands.settings
    assert (tree.name, tree.recognises({"first": 1}), tree.recognises({})) == ("first", True, False)
    assert tree.load(Path("some/file.yaml")) == "file.yaml"
    assert list(commands.checks["first"](Installation(Path("x")))) == [Finding(True, "x")]


def test_the_order_does_not_depend_on_the_installation(installed: Any) -> None:
    """The metadata's order is that of a folder's listing: the same packages make the same command whatever it is."""
    entries = [entry("a", f"{__name__}:register_first"), entry("b", f"{__name__}:register_second")]
    installed(*entries)
    installed(*reversed(entries))
    assert REGISTERED == ["second", "first"] * 2


@pytest.mark.parametrize(("extra", "command"), [(extra, name) for extra, names in STAND_INS.items() for name in names])
def test_a_missing_extra_says_what_to_install(installed: Any, extra: str, command: str) -> None:
    """Its command is there all the same, says what is missing, and ends with status 2; the others work."""
    app, commands = installed(entry(extra, "no_such_module_at_all:register"), entry("b", f"{__name__}:register_second"))
    assert (commands.settings, commands.checks) == ([], {})
    result = CliRunner().invoke(app, [command, "--config", "sluice.yaml"])
    assert result.exit_code == 2
    assert result.output == f"no_such_module_at_all is not installed: pip install 'sluice-gateway[{extra}]'\n"
    assert f"sluice-gateway[{extra}]" in CliRunner().invoke(app, ["--help"]).output
    assert CliRunner().invoke(app, ["bye"]).output == "bye\n"


@pytest.mark.parametrize(("extra", "module"), [("gateway", "uvicorn"), ("collectors", "polars")])
def test_settings_are_checked_without_the_extra(monkeypatch: pytest.MonkeyPatch, extra: str, module: str) -> None:
    """``sluice validate`` knows both files on a base installation, as in a pipeline that only checks them."""
    monkeypatch.setattr(commands_module, "find_spec", lambda name: None if name == module else name)
    app = typer.Typer()
    commands = load_commands(app)
    assert {tree.name for tree in commands.settings} == {"gateway", "collectors"}
    result = CliRunner().invoke(app, [{"collectors": "collect"}.get(extra, extra)])
    assert (result.exit_code, module in result.output) == (2, True)


def test_a_package_that_is_broken_is_no_missing_one(installed: Any) -> None:
    """A misspelt function is a fault of ours and is raised, not explained away as an extra."""
    with pytest.raises(AttributeError):
        installed(entry("gateway", f"{__name__}:register_nothing"))


def test_two_commands_share_nothing() -> None:
    """Lists and dictionaries are each one's own."""
    one, other = Commands(typer.Typer()), Commands(typer.Typer())
    one.add_check("x", find_nothing)
    one.add_settings("x", bool, str)
    assert (other.checks, other.settings) == ({}, [])


def test_every_command_of_an_extra_has_its_stand_in() -> None:
    """Whoever asks for `replay` on a base installation is told what to install, not that there is no such command."""
    app = Application()
    load_commands(app)
    groups = {found.typer_instance.info.name for found in app.registered_groups if found.typer_instance}
    there = {found.name for found in app.registered_commands} | groups
    without_extras = {"token", "plugins"}
    assert {name for names in STAND_INS.values() for name in names} == there - without_extras


def test_our_own_packages_are_registered() -> None:
    """What ``pyproject.toml`` names is what the installed command has."""
    app = typer.Typer()
    commands = load_commands(app)
    assert {tree.name for tree in commands.settings} == {"gateway", "collectors"}
    assert {found.name for found in app.registered_commands} >= {"gateway", "token", "collect"}
