"""The shell of tests: runs commands against an API that lives in another thread's event loop."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
import typer
from anyio.from_thread import BlockingPortal
from typer.testing import CliRunner, Result

from gateway.command import register
from gateway.control.api.reference.renderer import ReferenceRenderer
from gateway.control.database import ControlDatabase, control_url
from gateway.control.store import ControlStore
from gateway.settings import ControlSettings, Settings
from sluice.commands import Commands
from sluice.secrets import SecretBox, new_key
from tests.gateway.control.api.harness import ADMIN, Api, open_api


@cache
def sluice() -> typer.Typer:
    """The gateway's commands; made once, because that takes a twentieth of a second."""
    commands = Commands(typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False))
    register(commands)
    return commands.app


@asynccontextmanager
async def opened(folder: Path, control: ControlSettings) -> AsyncIterator[Api]:
    """The API over the database of a folder."""
    database = ControlDatabase(control_url("", folder))
    try:
        store = ControlStore(database, SecretBox([new_key()]))
        is_clean = control.dialect == "clean"
        renderer = None if is_clean else ReferenceRenderer(store, Settings(control=control))
        async with open_api(store, control=control, renderer=renderer) as api:
            yield api
    finally:
        await database.close()


class _Through(httpx.BaseTransport):
    """Carries a request to the event loop of the API."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self._shell.requests.append(request)
        ask = partial(
            self._shell.api.client.request,
            request.method,
            str(request.url),
            content=request.content,
            headers=request.headers,
        )
        answer = self._shell.portal.call(ask)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


@dataclass
class Shell:
    """Runs ``sluice`` with the gateway's commands."""

    api: Api
    portal: BlockingPortal
    folder: Path

    def __post_init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def transport(self) -> httpx.BaseTransport:
        """What the client is given instead of the network."""
        return _Through(self)

    def run(self, *arguments: str, code: int = 0, stdin: str | None = None) -> Result:
        """The result of a command line that must end so."""
        result = CliRunner().invoke(sluice(), list(arguments), input=stdin, catch_exceptions=False)
        assert result.exit_code == code, (arguments, result.exit_code, result.output)
        return result

    def admin(self, *arguments: str, code: int = 0, stdin: str | None = None) -> Result:
        """``sluice admin`` with the admin's token."""
        return self.run("admin", *arguments, "--token", ADMIN, code=code, stdin=stdin)

    def json(self, *arguments: str, code: int = 0) -> Any:
        """What ``--json`` prints."""
        return json.loads(self.admin(*arguments, "--json", code=code).stdout)

    def store(self, ask: Any, *arguments: Any, **values: Any) -> Any:
        """What a coroutine function of the store answers."""
        return self.portal.call(partial(ask, *arguments, **values))

    def write(self, name: str, text: str) -> Path:
        """A file of the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path
