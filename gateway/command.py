"""``sluice gateway`` and ``sluice token``, and what the gateway adds to ``validate`` and ``doctor``.

Every ``sluice`` command imports this file, so it is light: the server is imported by the command that runs it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from gateway.access.credentials import hash_token, new_token, prefix_of
from gateway.control.admin.budgets import budgets_app
from gateway.control.admin.commands import admin_app
from gateway.control.admin.plugins import plugins_app
from gateway.control.admin.prices import prices_app
from gateway.control.errors import ControlError
from gateway.control.importing.command import import_
from gateway.errors import PortTakenError
from gateway.settings import Settings
from sluice.commands import Commands, Finding, need
from sluice.eventlog.interface import EventLogError
from sluice.logs import configure_logs
from sluice.plugin_host.errors import PluginLoadError
from sluice.secrets import SecretError
from sluice.settings import SettingsError, load_settings

_NEEDED = ("aiosqlite", "alembic", "cryptography", "fastapi", "httptools", "httpx", "sqlalchemy", "uvicorn")
_EXPECTED = (SettingsError, PortTakenError, ControlError, SecretError, PluginLoadError, EventLogError)
"""What keeps a gateway from starting and is somebody's to mend: a line for each, no traceback."""

LogLevel = Literal["debug", "info", "warning", "error"]
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The settings file, YAML or JSON.")]


def register(commands: Commands) -> None:
    """Called by ``sluice`` through the entry-point group ``sluice.commands``."""
    commands.app.command("token")(token)
    commands.app.add_typer(plugins_app())
    commands.add_settings("gateway", lambda document: "data_collection_plugins" not in document, load)
    need(*_NEEDED)
    commands.add_check("gateway", check)
    commands.app.command("gateway")(gateway)
    commands.app.add_typer(admin_app())
    commands.app.add_typer(budgets_app())
    commands.app.add_typer(prices_app())
    commands.app.command("import")(import_)


def load(path: Path) -> Settings:
    """The gateway's settings in a file."""
    return load_settings(path, Settings)


def check(config: Path) -> Iterator[Finding]:
    """What ``sluice doctor`` looks at."""
    from gateway.doctor import check_gateway  # noqa: PLC0415 - see above

    return check_gateway(config)


def gateway(
    config: ConfigOption = Path("sluice.yaml"),
    host: Annotated[str | None, typer.Option(help="Instead of gateway.host.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Instead of gateway.port.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=128, help="Instead of gateway.workers.")] = None,
    log_level: Annotated[LogLevel, typer.Option(case_sensitive=False, help="What is logged.")] = "info",
    worker: Annotated[str, typer.Option(hidden=True)] = "",
    openapi: Annotated[bool, typer.Option("--openapi", help="Print the control API's OpenAPI, and end.")] = False,
    listener: Annotated[int, typer.Option(hidden=True)] = -1,
    control_listener: Annotated[int, typer.Option(hidden=True)] = -1,
    parent: Annotated[int, typer.Option(hidden=True)] = -1,
) -> None:
    """Run the gateway: the proxy on its port, with the control API, /health, /ready and /metrics.

    Example: sluice gateway --config sluice.yaml --workers 2
    """
    if openapi:
        print_openapi()
        return
    from gateway.listener import Listeners  # noqa: PLC0415 - see above
    from gateway.workers import run_gateway, run_worker  # noqa: PLC0415 - see above

    configure_logs(log_level)
    given: dict[str, Any] = {"host": host, "port": port, "workers": workers}
    given = {key: value for key, value in given.items() if value is not None}
    try:
        settings = load(config)
        settings = settings.model_copy(update={"gateway": settings.gateway.model_copy(update=given)})
        if worker:
            control = socket.socket(fileno=control_listener) if control_listener >= 0 else None
            run_worker(settings, config, worker, Listeners(socket.socket(fileno=listener), control), parent)
        else:
            options = [f"--log-level={log_level}", *(f"--{key}={value}" for key, value in given.items())]
            run_gateway(settings, config, options)
    except _EXPECTED as error:
        refuse(error)
    except ExceptionGroup as group:  # a task group wraps what ended it
        expected = group.subgroup(_EXPECTED)
        if expected is None:
            raise
        refuse(_first(expected))


def print_openapi() -> None:
    """The document that ``GET /api/v1/openapi.json`` serves, without a gateway."""
    from gateway.control.api.application import openapi_document  # noqa: PLC0415 - see above

    typer.echo(json.dumps(openapi_document(), indent=2))


def refuse(error: BaseException) -> NoReturn:
    """Say why nothing was started, and end with status 2."""
    typer.echo(str(error), err=True)
    raise typer.Exit(2) from error


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def token(
    app: Annotated[int, typer.Option(min=1, help="The id of the app that the token is for.")] = 1,
) -> None:
    """Make a token: prints it once, and the entry for `tokens:` in sluice.yaml, which holds only its hash.

    Example: sluice token --app 1
    """
    made = new_token()
    typer.echo(f"token (shown once): {made}")
    typer.echo(f"tokens:\n  - app: {app}\n    prefix: {prefix_of(made)}\n    sha256: {hash_token(made)}")
