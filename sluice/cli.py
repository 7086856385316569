"""The ``sluice`` command. Packages add theirs through ``sluice.commands``; what belongs to no package is here."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sluice.commands import Commands, Finding, SettingsTree, load_commands
from sluice.dev.command import register_dev
from sluice.settings import SettingsError, read_document
from sluice.up import up

app = typer.Typer(
    name="sluice",
    help="An LLM edge gateway whose every exchange is a durable event, and the collectors that carry them away.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Entry point of the command."""
    commands = load_commands(app)
    app.command("up")(up)
    register_dev(app)

    @app.command("validate")
    def validate(
        files: Annotated[
            list[str], typer.Argument(metavar="FILE|URL...", help="sluice.yaml, collectors.yaml, or who serves it.")
        ],
        as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    ) -> None:
        """Check settings files without starting anything; exits 1 where one is refused.

        Example: sluice validate sluice.yaml collectors.yaml
        """
        results = [_validate(commands, place) for place in files]
        _show_validated(results, as_json=as_json)
        raise typer.Exit(0 if all(not result["problems"] for result in results) else 1)

    @app.command("doctor")
    def doctor(
        config: Annotated[Path, typer.Option("--config", "-c", help="The settings file.")] = Path("sluice.yaml"),
        as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    ) -> None:
        """Look at what is reachable and what is wrong, and say what to do; exits 1 where something is wrong.

        Example: sluice doctor --config sluice.yaml
        """
        if not commands.checks:
            typer.echo("nothing to look at is installed: pip install 'sluice-gateway[all]'", err=True)
            raise typer.Exit(2)
        findings = {name: list(check(config)) for name, check in commands.checks.items()}
        _show_findings(findings, as_json=as_json)
        raise typer.Exit(0 if all(found.ok for each in findings.values() for found in each) else 1)

    @app.command("version")
    def version() -> None:
        """Print the installed version."""
        typer.echo(installed_version("sluice-gateway"))

    app()


def _validate(commands: Commands, place: str) -> dict[str, Any]:
    try:
        tree, document, settings = _read_settings(commands, place)
    except SettingsError as error:
        return {"file": place, "problems": error.problems}
    examined = tree.examine(document, settings, Path() if _is_address(place) else Path(place).parent)
    result = {"file": place, "kind": tree.name, "problems": list(examined.problems)}
    notes = [*tree.notes(settings), *examined.notes]
    return {**result, "notes": notes} if notes else result


def _read_settings(commands: Commands, place: str) -> tuple[SettingsTree, dict[str, Any], Any]:
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


def _show_findings(findings: dict[str, list[Finding]], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {"area": area, "ok": found.ok, "what": found.what, "remedy": found.remedy}
            for area, each in findings.items()
            for found in each
        ]
        json.dump(rows, sys.stdout)
        sys.stdout.write("\n")
        return
    console = Console(highlight=False)
    for area, each in findings.items():
        console.print(area, style="bold")
        for found in each:
            console.print(
                f"  {'ok  ' if found.ok else 'BAD '} {found.what}", style="" if found.ok else "red", markup=False
            )
            if found.remedy:
                console.print(f"       → {found.remedy}", markup=False)
