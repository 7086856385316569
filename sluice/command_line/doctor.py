"""``sluice doctor``: what was looked at, what is wrong, why it matters, what to do; and, with ``--fix``, doing it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from sluice.command_line.findings import Check, Finding, Fix, Installation
from sluice.settings import environment


@dataclass(frozen=True, slots=True)
class Ailment:
    """A finding, and where it belongs."""

    area: str
    finding: Finding


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of a fix."""

    area: str
    fix: Fix
    state: str
    """``done``, ``declined`` or ``failed``."""
    said: str = ""


def examine(checks: Mapping[str, Check], installation: Installation) -> list[Ailment]:
    """Everything that all of them find. One that fails itself is a finding: the others are looked at all the same."""
    found: list[Ailment] = []
    for area, check in checks.items():
        try:
            found.extend(Ailment(area, finding) for finding in check(installation))
        except Exception as error:  # noqa: BLE001 - the others are to be looked at, whatever one meets
            what = f"could not be looked at to its end ({type(error).__name__}: {error})"
            found.append(
                Ailment(area, Finding(False, what, "report it, with this line", "what comes after is unknown"))
            )
    return found


def mend(found: Sequence[Ailment], ask: Callable[[str], bool]) -> list[Repair]:
    """Apply each fix that ``ask`` agrees to, in their order."""
    return [_mended(each.area, each.finding.fix, ask) for each in found if each.finding.fix is not None]


def _mended(area: str, fix: Fix, ask: Callable[[str], bool]) -> Repair:
    if not ask(fix.what):
        return Repair(area, fix, "declined")
    try:
        return Repair(area, fix, "done", fix.apply())
    except Exception as error:  # noqa: BLE001 - a fix that fails is told, and the next is tried
        return Repair(area, fix, "failed", f"{type(error).__name__}: {error}")


def asks(*, yes: bool) -> Callable[[str], bool]:
    """Whoever sits there, or nobody."""
    return (lambda _: True) if yes else (lambda what: typer.confirm(f"fix: {what}?", default=False))


def show(found: Sequence[Ailment]) -> None:
    """For people: by area; below what is wrong stands why it matters, what to do and what ``--fix`` would."""
    area = ""
    for each in found:
        if each.area != area:
            area = each.area
            typer.echo(_styled(area, bold=True))
        finding = each.finding
        if finding.ok:
            typer.echo(f"  ok   {finding.what}")
        else:
            typer.echo(_styled(f"  BAD  {finding.what}", fg="red"))
        if finding.why:
            typer.echo(f"       why: {finding.why}")
        if finding.remedy:
            typer.echo(f"       → {finding.remedy}")
        if finding.fix is not None:
            typer.echo(f"       sluice doctor --fix can {finding.fix.what}")


def _styled(text: str, **style: Any) -> str:
    """For a terminal; plain where ``NO_COLOR`` asks for it. What is no terminal is given no colour anyway."""
    return text if environment().get("NO_COLOR") else typer.style(text, **style)


def show_repairs(repairs: Sequence[Repair]) -> None:
    """What was done, and what could not be."""
    for each in repairs:
        typer.echo(f"{each.state:<9}{each.fix.what}{f': {each.said}' if each.said else ''}")


def write_json(found: Sequence[Ailment], repairs: Sequence[Repair] | None) -> None:
    """One array, an object for each finding; with ``--fix`` what became of its fix."""
    became = {id(each.fix): each for each in repairs or ()}
    rows = []
    for each in found:
        finding = each.finding
        row: dict[str, object] = {
            "area": each.area, "ok": finding.ok, "what": finding.what, "why": finding.why, "remedy": finding.remedy,
            "fix": finding.fix.what if finding.fix else None,
        }  # fmt: skip
        if repairs is not None and finding.fix is not None:
            repair = became[id(finding.fix)]
            row["repair"] = {"state": repair.state, "said": repair.said}
        rows.append(row)
    json.dump(rows, sys.stdout)
    sys.stdout.write("\n")


def is_well(found: Sequence[Ailment]) -> bool:
    """Whether nothing is wrong."""
    return all(each.finding.ok for each in found)
