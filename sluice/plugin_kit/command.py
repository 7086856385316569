"""``sluice plugins new`` and ``check``: what an author needs, without a gateway that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sluice.plugin_kit.scaffold import ScaffoldError, write_scaffold
from sluice.plugin_kit.templates import Kind

if TYPE_CHECKING:
    from sluice.plugin_kit.check import Report

_MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}

Command = Annotated[
    str, typer.Argument(metavar="PATH", help="A .py file, file:///path, grpc://host:port or python://module:Class.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Of its configuration; JSON, or text.")
]
HookTypes = Annotated[list[str] | None, typer.Option("--hook", help="Only these hooks; by default all it implements.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


def add_kit(app: typer.Typer) -> None:
    """Add the commands to ``sluice plugins``."""
    app.command("new")(new)
    app.command("check")(check)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and _ or -.")],
    kind: Annotated[Kind, typer.Option("--kind", "-k", help="What it is to do.")] = "post_auth",
    folder: Annotated[Path, typer.Option("--folder", help="Where its own folder is made.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Write a new plugin and its test, in a folder of its name; exits 1 where that cannot be.

    Example: sluice plugins new prompt_counter --kind pre_auth
    """
    try:
        made = write_scaffold(name, folder, kind)
    except ScaffoldError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps({"plugin": str(made.plugin), "test": str(made.test), "class": made.class_name}))
        return
    typer.echo(f"wrote {made.plugin}\nwrote {made.test}")
    typer.echo(f"\ntry it:      cd {made.plugin.parent} && pytest")
    typer.echo(f"look at it:  sluice plugins check {made.plugin}")
    typer.echo(f"run it:      add to sluice.yaml\n\n{made.settings}")


def check(
    command: Command,
    values: Set = None,
    hooks: HookTypes = None,
    as_json: AsJson = False,
) -> None:
    """Say what a plugin implements, what it does wrong and what holds the event loop; exits 1 where it does wrong.

    Example: sluice plugins check my_plugin/my_plugin.py --set token=secret
    """
    report = _report(command, values, tuple(hooks or ()))
    if as_json:
        typer.echo(json.dumps(_plain(report), indent=2))
    else:
        _show(report)
    raise typer.Exit(0 if report.is_good else 1)


def read_values(values: list[str]) -> dict[str, Any]:
    """``KEY=VALUE`` texts as a configuration: a value is JSON where it is, else text. Raises ``typer.BadParameter``."""
    found: dict[str, Any] = {}
    for value in values:
        key, given, text = value.partition("=")
        if not key or not given:
            message = f"{value!r}: write KEY=VALUE"
            raise typer.BadParameter(message)
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found


def _report(command: str, values: list[str] | None, hooks: tuple[str, ...]) -> Report:
    import asyncio  # noqa: PLC0415 - every sluice command imports this file

    from sluice.plugin_kit.check import check_plugin  # noqa: PLC0415 - as above

    return asyncio.run(check_plugin(command, read_values(values or []), Path(), hooks))


def _plain(report: Report) -> dict[str, Any]:
    found = report.described
    return {
        "command": report.command,
        "good": report.is_good,
        "name": found.name if found else None,
        "version": found.version if found else None,
        "where": found.where if found else None,
        "capabilities": capabilities(report),
        "findings": [
            {"level": each.level, "what": each.what, "remedy": each.remedy or None} for each in report.findings
        ],
    }


def capabilities(report: Report) -> list[str]:
    """What it implements, in words."""
    found = report.described
    if found is None:
        return []
    others = {
        "stream pieces": found.handles_chunks,
        "endpoints": found.has_endpoints,
        "edge payloads": found.receives_payloads,
    }
    collected = [f"collects {each}" for each in sorted(found.collects)]
    return [*found.hooks, *(name for name, has in others.items() if has), *collected]


def _show(report: Report) -> None:
    found = report.described
    if found is not None:
        typer.echo(f"{found.name} {found.version}: {found.description or found.where}")
        typer.echo(f"implements: {', '.join(capabilities(report)) or 'nothing'}\n")
    for finding in report.findings:
        typer.echo(f"{_MARKS[finding.level]}  {finding.what}")
        if finding.remedy:
            typer.echo(f"         → {finding.remedy}")
    problems = sum(finding.level == "problem" for finding in report.findings)
    typer.echo(f"\n{'good' if report.is_good else f'{problems} to mend'}")
