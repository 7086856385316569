"""Answers as people read them (tables), or as scripts do (JSON)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_OF_A_FILE = 400
"""Where nobody looks, nothing is cut."""
_MAX_COLUMNS = 8


def show_json(body: Any) -> None:
    """The answer as it came."""
    json.dump(body, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def show_body(body: Mapping[str, Any], columns: Sequence[str] = ()) -> None:
    """A list as a table of these columns, one thing as lines of name and value, a message alone as itself."""
    data = body.get("data", {name: value for name, value in body.items() if name != "message"} or None)
    if isinstance(data, list):
        show_rows(data, columns)
        _show_page(body.get("pagination"))
    elif isinstance(data, dict):
        _show_one(data)
    if "message" in body:
        typer.echo(body["message"], err=data is not None)


def show_rows(rows: Sequence[Any], columns: Sequence[str] = ()) -> None:
    """A table; of what has none of the columns, the first that are plain."""
    from rich.table import Table  # noqa: PLC0415 - every sluice command imports this file
    from rich.text import Text  # noqa: PLC0415 - as above

    dicts = [row if isinstance(row, dict) else {"value": row} for row in rows]
    names = _columns(dicts, columns)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in dicts:
        table.add_row(*(Text(cell(row.get(name))) for name in names))
    if names:
        _console().print(table)


def _columns(rows: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> list[str]:
    first = rows[0] if rows else {}
    names = [name for name in wanted if name in first or not rows]
    if names:
        return names
    return [name for name, value in first.items() if not isinstance(value, dict | list)][:_MAX_COLUMNS]


def _show_one(data: Mapping[str, Any]) -> None:
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in data.items():
        table.add_row(Text(name), Text(cell(value)))
    _console().print(table)


def _show_page(page: Mapping[str, Any] | None) -> None:
    if page and page.get("total_pages", 1) > 1:
        typer.echo(
            f"page {page['page']} of {page['total_pages']}, {page['total']} in all; page=2 shows the next", err=True
        )


def cell(value: Any) -> str:
    """One line of what a terminal may show."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(character if character.isprintable() else " " for character in text)


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415 - as above

    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)
