"""The help text of every command, kept in ``tests/help``; ``make help-texts`` renews them.

A text has a fixed width, whatever terminal asks, and is written by plain formatting, whether rich is there or not.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer.main

from sluice.cli import build_app
from sluice.command_line.application import WIDTH, paragraphs, short_help

FOLDER = Path(__file__).parent / "help"
README = Path(__file__).parent.parent / "sluice" / "command_line" / "README.md"
_HEADING = "## Commands\n\n"


@dataclass(frozen=True, slots=True)
class HelpPage:
    """One command, as ``--help`` shows it."""

    path: tuple[str, ...]
    """``("sluice", "admin", "apps", "create")``."""
    context: Any
    command: Any

    @property
    def name(self) -> str:
        """As people type it."""
        return " ".join(self.path)

    @property
    def file(self) -> Path:
        """Where its text is kept."""
        return FOLDER / f"{'-'.join(self.path)}.txt"

    @property
    def text(self) -> str:
        """The whole of it."""
        lines = self.command.get_help(self.context).splitlines()
        return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"

    @property
    def examples(self) -> list[list[str]]:
        """Its command lines, in words as a shell makes them."""
        _, found = paragraphs(self.command.help)
        return [shlex.split(example) for example in found]


def pages() -> list[HelpPage]:
    """Every command's that is not hidden; the root first."""
    return list(_walk(typer.main.get_command(build_app()), ("sluice",), None))


def _walk(command: Any, path: tuple[str, ...], parent: Any) -> Iterator[HelpPage]:
    context = command.context_class(
        command, info_name=path[-1], parent=parent, terminal_width=WIDTH, help_option_names=["--help", "-h"]
    )
    yield HelpPage(path, context, command)
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if not child.hidden:
            yield from _walk(child, (*path, name), context)


def commands_table() -> str:
    """Every command in a line, as a README has them."""
    rows = [f"| `{page.name}` | {short_help(page.command)} |" for page in pages() if page.path != ("sluice",)]
    return "\n".join(["| command | what |", "|---|---|", *rows])


def write() -> None:
    """Renew the files; those of commands that are gone go too."""
    FOLDER.mkdir(exist_ok=True)
    kept = pages()
    for stale in set(FOLDER.glob("*.txt")) - {page.file for page in kept}:
        stale.unlink()
    for page in kept:
        page.file.write_text(page.text, "utf-8")


def write_table() -> None:
    """Renew the README's list, which is its end."""
    before, heading, _ = README.read_text("utf-8").partition(_HEADING)
    README.write_text(f"{before}{heading}{commands_table()}\n", "utf-8")


if __name__ == "__main__":
    write()
    write_table()
