"""``sluice gateway`` and ``sluice token``, and what the gateway adds to ``validate`` and ``doctor``.

Every ``sluice`` command imports this file, so it is light: the server is imported by the command that runs it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from gateway.control.admin.budgets import budgets_app
from gateway.control.admin.commands import admin_app
from gateway.control.admin.plugins import plugins_app
from gateway.control.admin.prices import prices_app
from gateway.control.importing.command import import_
from sluice.command_line.application import Panel
from sluice.command_line.completing import complete_files
from sluice.command_line.findings import Finding, Installation
from sluice.commands import Commands, need
from sluice.logs import configure_logs

if TYPE_CHECKING:
    from gateway.settings import Settings

_NEEDED = ("aiosqlite", "alembic", "cryptography", "fastapi", "httptools", "httpx", "sqlalchemy", "uvicorn")

LogLevel = Literal["debug", "info", "warning", "error"]
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The settings file, YAML or JSON.", autocompletion=complete_files)
]


def register(commands: Commands) -> None:
    """Called by ``sluice`` through the entry-point group ``sluice.commands``."""
    commands.app.command("token", rich_help_panel=Panel.MANAGE)(token)
    commands.app.add_typer(plugins_app(), rich_help_panel=Panel.BUILD)
    commands.add_settings("gateway", lambda document: "data_collection_plugins" not in document, load)
    need(*_NEEDED)
    commands.add_check("gateway", check)
    commands.app.command("gateway", rich_help_panel=Panel.RUN)(gateway)
    commands.app.add_typer(admin_app(), rich_help_panel=Panel.MANAGE)
    commands.app.add_typer(budgets_app(), rich_help_panel=Panel.MANAGE)
    commands.app.add_typer(prices_app(), rich_help_panel=Panel.MANAGE)
    commands.app.command("import", rich_help_panel=Panel.MANAGE)(import_)


def load(path: Path) -> Settings:
    """The gateway's settings in a file."""
    from gateway.settings import Settings  # noqa: PLC0415 - see above
    from sluice.settings import load_settings  # noqa: PLC0415 - see above

    return load_settings(path, Settings)


def check(installation: Installation) -> Iterator[Finding]:
    """What ``sluice doctor`` looks at."""
    from gateway.doctor import check_gateway  # noqa: PLC0415 - see above

    return check_gateway(installation.config)


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

    SIGTERM and Ctrl-C let it finish what is under way; it then exits 0. Exits 2 where it cannot start, and says why.

    Example: sluice gateway --config sluice.yaml --workers 2
    """
    if openapi:
        print_openapi()
        return
    configure_logs(log_level)  # before whoever logs is loaded, and structlog with it
    from gateway.listener import Listeners  # noqa: PLC0415 - see above
    from gateway.workers import run_gateway, run_worker  # noqa: PLC0415 - see above

    given: dict[str, Any] = {"host": host, "port": port, "workers": workers}
    given = {key: value for key, value in given.items() if value is not None}
    expected_here = _expected()
    try:
        settings = load(config)
        settings = settings.model_copy(update={"gateway": settings.gateway.model_copy(update=given)})
        if worker:
            control = socket.socket(fileno=control_listener) if control_listener >= 0 else None
            run_worker(settings, config, worker, Listeners(socket.socket(fileno=listener), control), parent)
        else:
            given["workers"] = settings.gateway.workers  # one that starts again is of so many, whatever the file says
            options = [f"--log-level={log_level}", *(f"--{key}={value}" for key, value in given.items())]
            run_gateway(settings, config, options)
    except expected_here as error:
        refuse(error)
    except ExceptionGroup as group:  # a task group wraps what ended it
        expected = group.subgroup(expected_here)
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


def _expected() -> tuple[type[Exception], ...]:
    """What keeps a gateway from starting and is somebody's to mend: a line for each, no traceback."""
    from gateway.control.errors import ControlError  # noqa: PLC0415 - see above
    from gateway.errors import PortTakenError  # noqa: PLC0415 - see above
    from sluice.eventlog.interface import EventLogError  # noqa: PLC0415 - see above
    from sluice.plugin_host.errors import PluginLoadError  # noqa: PLC0415 - see above
    from sluice.secrets import SecretError  # noqa: PLC0415 - see above
    from sluice.settings import SettingsError  # noqa: PLC0415 - see above

    return SettingsError, PortTakenError, ControlError, SecretError, PluginLoadError, EventLogError


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def token(
    app: Annotated[int, typer.Option(min=1, help="The id of the app that the token is for.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts: one JSON object.")] = False,
) -> None:
    """Make a token: prints it once, and the entry for `tokens:` in sluice.yaml, which holds only its hash.

    Example: sluice token --app 1
    """
    from gateway.access.credentials import hash_token, new_token, prefix_of  # noqa: PLC0415 - see above

    made = new_token()
    if as_json:
        typer.echo(json.dumps({"token": made, "app": app, "prefix": prefix_of(made), "sha256": hash_token(made)}))
        return
    typer.echo(f"token (shown once): {made}")
    typer.echo(f"tokens:\n  - app: {app}\n    prefix: {prefix_of(made)}\n    sha256: {hash_token(made)}")
