"""The command's own Typer: what it makes of a help text."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
import typer
from typer.testing import CliRunner

from sluice.command_line.application import Application, Panel, paragraphs, short_help

LONG = "word " * 60


def shown(app: typer.Typer, *arguments: str) -> str:
    """What ``--help`` says."""
    result = CliRunner().invoke(app, [*arguments, "--help"], terminal_width=80)
    assert result.exit_code == 0
    return result.output


@pytest.fixture(name="app")
def app_of_two() -> Application:
    """One command in a panel, one in none, and one nobody sees."""
    app = Application(name="thing", help="Does things.\n\nExample: thing look --at x")

    def look(
        config: Annotated[str, typer.Option("--config")] = "x",
        count: Annotated[int, typer.Option("--count")] = 1,
        kind: Annotated[Literal["a", "b"], typer.Option("--kind")] = "a",
        where: Annotated[str, typer.Option("--where", metavar="PLACE")] = "",
        action: Annotated[str, typer.Argument()] = "",
    ) -> None:
        typer.echo(f"{config} {count} {kind} {where} {action}")

    look.__doc__ = f"Look at things; exits 1 where there are none.\n\n{LONG}\n\nExample: thing look {LONG}"
    app.command("look", rich_help_panel=Panel.OPERATE)(look)
    app.command("other")(lambda: None)
    app.command("hidden", hidden=True)(lambda: None)
    return app


def test_commands_stand_in_their_panels(app: Application) -> None:
    """In the order of the panels; without one in a last, which is not lost; hidden ones in none."""
    text = shown(app)
    assert text.index(f"{Panel.OPERATE.value}:\n  look") < text.index("Commands:\n  other")
    assert "hidden" not in text


def test_examples_come_last_and_whole(app: Application) -> None:
    """On one line, however long, to be copied; and not in the text above."""
    text = shown(app, "look")
    assert text.endswith(f"\nExample:\n  thing look {LONG.strip()}\n")
    assert "Example: thing" not in text


def test_values_are_called_what_people_call_them(app: Application) -> None:
    """By the parameter's name, or by what it is; its own name and a choice stay."""
    text = shown(app, "look")
    assert "--config FILE " in text
    assert "--count N " in text
    assert "--where PLACE\n" in text
    assert "a|b" in text
    assert "[ACTION]" in text


def test_both_ways_to_ask_for_help(app: Application) -> None:
    """-h is what fingers know."""
    runner = CliRunner()
    assert runner.invoke(app, ["look", "-h"]).output == runner.invoke(app, ["look", "--help"]).output


def test_the_command_itself_is_not_changed(app: Application) -> None:
    """What is named for people is given as it was."""
    result = CliRunner().invoke(app, ["look", "--config", "c", "--count", "3", "--kind", "b", "--where", "w", "go"])
    assert result.output == "c 3 b w go\n"


@pytest.mark.parametrize(
    ("text", "prose", "examples"),
    [
        (None, [], []),
        ("", [], []),
        ("One\n  two.\n\nExample: a\n   b\n\nExample: c", ["One two."], ["a b", "c"]),
        ("An Example: inside stays.", ["An Example: inside stays."], []),
    ],
)
def test_paragraphs(text: str | None, prose: list[str], examples: list[str]) -> None:
    """Lines are joined, examples are apart, and only what begins so is one."""
    assert paragraphs(text) == (prose, examples)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Do it; exits 1 where not. More.", "Do it"),
        ("First sentence. Second.", "First sentence"),
        ("Only one.\n\nExample: x", "Only one"),
        ("Example: x", ""),
        (f"Begins so: {'x' * 400}", "Begins so"),
    ],
)
def test_short_help_is_the_first_sentence(text: str, expected: str) -> None:
    """Whole, without its status and its full stop."""

    class Command:
        help = text

    assert short_help(Command()) == expected
