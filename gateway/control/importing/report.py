"""What an import did, as people and scripts read it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import typer

from gateway.control.admin.show import cell, show_json
from gateway.control.importing.plan import Left, Plan


@dataclass(slots=True)
class Report:
    """What was made, what was there already, what stayed behind, and what is to be known."""

    made: list[str] = field(default_factory=list)
    existed: list[str] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, plan: Plan) -> None:
        """What the plan left and noted, before what was found out later."""
        self.left[:0] = plan.left
        self.notes[:0] = plan.notes

    def leave(self, what: str, reason: str) -> None:
        """Note that something could not be made."""
        self.left.append(Left(what, reason))


def show_report(report: Report, *, as_json: bool, is_dry: bool) -> None:
    """A line for each; what stayed behind on the error output, with its reason."""
    if as_json:
        left = [{"what": each.what, "reason": each.reason} for each in report.left]
        show_json({"made": report.made, "existed": report.existed, "left": left, "notes": report.notes})
        return
    verb = "would be made" if is_dry else "made"
    for word, lines in ((verb, report.made), ("exists already", report.existed), ("note", report.notes)):
        for line in lines:
            typer.echo(f"{word}: {cell(line)}")
    for each in report.left:
        typer.echo(f"not carried over: {cell(each.what)}: {cell(each.reason)}", file=sys.stderr)
    typer.echo(f"{len(report.made)} {verb}, {len(report.existed)} there already, {len(report.left)} not carried over")
