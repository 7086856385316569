"""The ``sluice`` command. Packages add theirs through ``sluice.commands``; what belongs to no package is here.

Every command imports this file, and the shell whenever the tab key is pressed: nothing heavy is imported at its top.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice.command_line.application import Application, Panel
from sluice.command_line.completing import complete_files
from sluice.command_line.dashboards import register_dashboards
from sluice.command_line.ending import run
from sluice.command_line.findings import Installation
from sluice.commands import Commands, load_commands
from sluice.dev.command import register_dev
from sluice.up_command import up

if TYPE_CHECKING:
    from sluice.commands import SettingsTree

HELP = """An LLM edge gateway whose every exchange is a durable event, and the collectors that carry them away.

Every command has --help with an example. Exits 0 when it is done, 1 when something is wrong, 2 when it was asked for
something that there is not, 130 on Ctrl-C.

Example: sluice up --demo

Example: sluice --install-completion
"""

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE|URL...",
        help="sluice.yaml, collectors.yaml, or who serves it.",
        autocompletion=complete_files,
    ),
]
Config = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="The gateway's file.", autocompletion=complete_files)
]
CollectorsFile = Annotated[
    Path, typer.Option("--collectors", metavar="FILE", help="The collectors' file.", autocompletion=complete_files)
]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts: one JSON array.")]


def main() -> None:
    """Entry point of the command; ends the process."""
    run(_run_command)


def _run_command() -> None:
    build_app()()


def build_app() -> Application:
    """Every command of every package that is installed; anew each time."""
    app = Application(name="sluice", help=HELP)
    app.callback()(_root)
    commands = load_commands(app)
    app.command("up", rich_help_panel=Panel.RUN)(up)
    _add_validate(app, commands)
    _add_doctor(app, commands)
    app.command("version", rich_help_panel=Panel.RUN)(version)
    register_dashboards(app)
    register_dev(app)
    return app


def _show_version(value: bool) -> None:
    if value:
        version()
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    pass


def version() -> None:
    """Print the installed version.

    Example: sluice version
    """
    from importlib.metadata import version as installed_version  # noqa: PLC0415 - for who asks

    typer.echo(installed_version("sluice-gateway"))


def _add_validate(app: typer.Typer, commands: Commands) -> None:
    @app.command("validate", rich_help_panel=Panel.RUN)
    def validate(files: Files, as_json: AsJson = False) -> None:
        """Check settings files without starting anything; exits 1 where one is refused.

        Example: sluice validate sluice.yaml collectors.yaml
        """
        results = [_validate(commands, place) for place in files]
        _show_validated(results, as_json=as_json)
        raise typer.Exit(0 if all(not result["problems"] for result in results) else 1)


def _add_doctor(app: typer.Typer, commands: Commands) -> None:
    @app.command("doctor", rich_help_panel=Panel.RUN)
    def doctor(
        config: Config = Path("sluice.yaml"),
        collectors: CollectorsFile = Path("collectors.yaml"),
        fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended safely; asks before each.")] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="With --fix: ask nothing.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Look at what is reachable and what is wrong; say why it matters and what to do.

        Exits 1 where something is wrong, after --fix where something still is; 2 where it was asked for what it cannot.

        Example: sluice doctor --config sluice.yaml

        Example: sluice doctor --fix --yes --json
        """
        _doctor(commands, Installation(config, collectors), fix=fix, yes=yes, as_json=as_json)


def _doctor(commands: Commands, installation: Installation, *, fix: bool, yes: bool, as_json: bool) -> None:
    from sluice.command_line import doctor  # noqa: PLC0415 - see the top

    if not commands.checks:
        typer.echo("nothing to look at is installed: pip install 'sluice-gateway[all]'", err=True)
        raise typer.Exit(2)
    if fix and as_json and not yes:
        typer.echo("--json asks nobody: add --yes to --fix", err=True)
        raise typer.Exit(2)
    found, repairs = doctor.examine(commands.checks, installation), None
    if not as_json:
        doctor.show(found)
    if fix:
        repairs = doctor.mend(found, doctor.asks(yes=yes))
    if as_json:
        doctor.write_json(found, repairs)
    elif repairs is not None:
        doctor.show_repairs(repairs)
    if repairs and any(each.state == "done" for each in repairs):
        found = doctor.examine(commands.checks, installation)  # what is mended is looked at anew, not believed
    raise typer.Exit(0 if doctor.is_well(found) else 1)


def _validate(commands: Commands, place: str) -> dict[str, Any]:
    from sluice.settings import SettingsError  # noqa: PLC0415 - see the top

    try:
        tree, document, settings = _read_settings(commands, place)
    except SettingsError as error:
        return {"file": place, "problems": error.problems}
    examined = tree.examine(document, settings, Path() if _is_address(place) else Path(place).parent)
    result = {"file": place, "kind": tree.name, "problems": list(examined.problems)}
    notes = [*tree.notes(settings), *examined.notes]
    return {**result, "notes": notes} if notes else result


def _read_settings(commands: Commands, place: str) -> tuple[SettingsTree, dict[str, Any], Any]:
    from sluice.settings import SettingsError, read_document  # noqa: PLC0415 - see the top

    if not _is_address(place):
        document = read_document(Path(place))
        tree = _tree_of(commands, document)
        return tree, document, tree.load(Path(place))
    for tree in commands.settings:
        if tree.read_address is not None:
            return tree, *tree.read_address(place)
    raise SettingsError(place, ["is no file, and nothing is installed that asks a service; name a file"])


def _is_address(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def _tree_of(commands: Commands, document: dict[str, Any]) -> SettingsTree:
    found = [tree for tree in commands.settings if tree.recognises(document)]
    return found[0] if found else commands.settings[0]


def _show_validated(results: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        json.dump(results, sys.stdout)
        sys.stdout.write("\n")
        return
    for result in results:
        if result["problems"]:
            for problem in result["problems"]:
                typer.echo(f"{result['file']}: {problem}", err=True)
        else:
            typer.echo(f"{result['file']}: valid ({result['kind']})")
            for note in result.get("notes", ()):
                typer.echo(f"{result['file']}: note: {note}")
