"""The command's own Typer: plain help texts with panels, and with examples that are never wrapped.

Whoever adds commands names a panel (``rich_help_panel=Panel.RUN``) and ends the help text with paragraphs that begin
with ``Example:``; here they become the last section of ``--help``, each on a line of its own, to be copied.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

WIDTH: Final = 100
"""Columns of a help text, at most."""

METAVARS: Final = {
    "at": "WHEN",
    "by": "appended|occurred",
    "cache": "FOLDER",
    "collector": "ENTRY",
    "collectors": "FILE",
    "config": "FILE",
    "csv": "FILE",
    "end": "WHEN",
    "folder": "FOLDER",
    "from_file": "FILE",
    "group": "GROUP",
    "hooks": "HOOK",
    "host": "HOST",
    "job": "JOB",
    "kind": "KIND",
    "log": "FILE",
    "model": "MODEL",
    "output": "FILE",
    "partition": "PARTITION",
    "port": "PORT",
    "price_version": "VERSION",
    "prices": "FILE|base|control",
    "reason": "REASON",
    "service": "SERVICE",
    "services": "SERVICE",
    "since": "WHEN",
    "sink": "ENTRY",
    "start": "WHEN",
    "store": "ENTRY",
    "to_topic": "TOPIC",
    "token": "TOKEN",
    "topic": "TOPIC",
    "until": "WHEN",
    "url": "URL",
    "values": "KEY=VALUE",
    "vendor": "VENDOR",
    "where": "SQL",
}
"""What a value is called, by the name of its parameter, so that it is called the same everywhere."""

_EXAMPLE = "Example:"
_OTHERS = "Commands"
_SHORT_HELP = 300


class Panel(StrEnum):
    """The groups of ``sluice --help``, in their order."""

    RUN = "Run"
    OPERATE = "Operate: look at the log, its topics and its collectors"
    MANAGE = "Manage: what a gateway allows, and what it costs"
    BUILD = "Build: plugins, and what tests stand on"
    MISSING = "Not installed"


class _Helpful:
    """What commands and groups share: examples stand at the end, values are called what people call them."""

    help: str | None
    params: list[Any]

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for parameter in self.params:
            name_value(parameter)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Typer's signature
        """The text without its examples."""
        _write_text(self.help, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as above
        """The examples."""
        _write_examples(self.help, formatter)


class HelpfulCommand(_Helpful, TyperCommand):
    """A command of ours."""


class HelpfulGroup(_Helpful, TyperGroup):
    """A command that has others, which it shows by panel."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """By panel; a command without one stands in the last, ``Commands``."""
        panels: dict[str, list[tuple[str, str]]] = {name: [] for name in (*(panel.value for panel in Panel), _OTHERS)}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                panel = str(getattr(command, "rich_help_panel", None) or _OTHERS)
                panels.setdefault(panel, []).append((name, short_help(command)))
        first = max((len(name) for rows in panels.values() for name, _ in rows), default=0)
        for panel, rows in panels.items():
            if rows:
                with formatter.section(panel):
                    formatter.write_dl([(name.ljust(first), text) for name, text in rows])


class Application(typer.Typer):
    """A Typer whose commands and groups are ours unless they say otherwise."""

    def __init__(self, **settings: Any) -> None:
        context = {"max_content_width": WIDTH, "help_option_names": ["--help", "-h"]}
        ours: dict[str, Any] = {
            "cls": HelpfulGroup, "no_args_is_help": True, "rich_markup_mode": None, "pretty_exceptions_enable": False,
            "context_settings": context,
        }  # fmt: skip
        super().__init__(**(ours | settings))

    def command(self, name: str | None = None, **settings: Any) -> Any:
        """As Typer's, with our help."""
        add = super().command(name, **({"cls": HelpfulCommand} | settings))
        return lambda function: add(_resolved(function))

    def callback(self, **settings: Any) -> Any:
        """As Typer's."""
        add = super().callback(**settings)
        return lambda function: add(_resolved(function))


def _resolved(function: Callable[..., Any]) -> Callable[..., Any]:
    """With annotations that are types: Typer evaluates texts six times a command, a fifth of the time to start."""
    function.__annotations__ = get_type_hints(function, include_extras=True)
    return function


def name_value(parameter: Any) -> None:
    """Give a value its name, unless it has one, there is none, or it is one of a few that the help lists."""
    described = getattr(parameter, "type_descriptor", None)
    if parameter.metavar or getattr(parameter, "is_flag", False) or getattr(described, "is_choice", False):
        return
    kind = str(getattr(described, "annotation", ""))
    usual = "N" if "int" in kind or "float" in kind else "TEXT"
    if parameter.param_type_name == "argument":
        usual = parameter.name.upper()
    parameter.metavar = METAVARS.get(parameter.name, usual)


def paragraphs(text: str | None) -> tuple[list[str], list[str]]:
    """A help text in two: its paragraphs, and the command lines of its examples."""
    found = [" ".join(each.split()) for each in (text or "").replace("\f", "").split("\n\n")]
    prose = [each for each in found if each and not each.startswith(_EXAMPLE)]
    return prose, [each.removeprefix(_EXAMPLE).strip() for each in found if each.startswith(_EXAMPLE)]


def short_help(command: Any) -> str:
    """What stands beside a command's name: its first sentence."""
    prose, _ = paragraphs(command.help)
    if not prose:
        return ""
    first, _, _ = prose[0].partition("; exits ")
    sentence = first.partition(". ")[0].rstrip(".")
    return sentence.partition(": ")[0] if len(sentence) > _SHORT_HELP else sentence


def _write_text(text: str | None, formatter: Any) -> None:
    prose, _ = paragraphs(text)
    for paragraph in prose:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(paragraph)


def _write_examples(text: str | None, formatter: Any) -> None:
    _, examples = paragraphs(text)
    if examples:
        formatter.write(f"\n{'Example' if len(examples) == 1 else 'Examples'}:\n")
        formatter.write("".join(f"  {example}\n" for example in examples))
