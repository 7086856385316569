"""One command's use of the API: its options, its client, and what it ends with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.control.admin.client import AdminClient, Body
from gateway.control.admin.errors import CommandError
from gateway.control.admin.show import show_body, show_json
from gateway.control.admin.target import DEFAULT_CONFIG, find_target
from sluice.command_line.completing import complete_files

Url = Annotated[
    str, typer.Option("--url", help="The gateway's control API; by default where the settings file has it.")
]
Token = Annotated[
    str,
    typer.Option(
        "--token", help="An admin token; by default SLUICE_ADMIN_TOKEN, else admin.token in the data_dir of --config."
    ),
]
Config = Annotated[
    Path, typer.Option("--config", "-c", help="The gateway's settings file.", autocompletion=complete_files)
]
AsJson = Annotated[bool, typer.Option("--json", help="The answer as JSON, for scripts.")]
Values = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Fields; JSON values, @FILE, else text.")]
FromFile = Annotated[
    Path | None, typer.Option("--from-file", "-f", help="Fields from a JSON or YAML file; - is JSON on standard input.")
]
Filters = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Filters, page=, limit=.")]
IfVersion = Annotated[int | None, typer.Option("--if-version", min=1, help="Only if it has this version.")]


@dataclass(frozen=True, slots=True)
class Session:
    """A client, and how its answers are shown."""

    client: AdminClient
    as_json: bool

    def do(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        *,
        columns: Sequence[str] = (),
        if_version: int | None = None,
    ) -> Body:
        """Ask, and show the answer. Raises CommandError."""
        headers = {} if if_version is None else {"if-match": f'"{if_version}"'}
        answer = self.client.request(method, path, body, query, headers)
        if self.as_json:
            show_json(answer)
        else:
            show_body(answer, columns)
        return answer


@contextmanager
def reporting() -> Iterator[None]:
    """Say what went wrong in a line, and end with its status."""
    try:
        yield
    except CommandError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code) from error


@contextmanager
def open_session(url: str, token: str, config: Path, *, as_json: bool) -> Iterator[Session]:
    """A session for one command; CommandErrors inside it end the command."""
    with reporting(), AdminClient(find_target(url, token, config)) as client:
        yield Session(client, as_json)


__all__ = [
    "DEFAULT_CONFIG",
    "AsJson",
    "Config",
    "Filters",
    "FromFile",
    "IfVersion",
    "Session",
    "Token",
    "Url",
    "Values",
    "open_session",
    "reporting",
]
