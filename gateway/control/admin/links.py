"""What joins things: plugins on LLMs, LLMs of apps; and tokens that follow one another."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gateway.control.admin.errors import UsageError
from gateway.control.admin.resources import Id
from gateway.control.admin.session import (
    DEFAULT_CONFIG,
    AsJson,
    Config,
    FromFile,
    Token,
    Url,
    Values,
    open_session,
    reporting,
)
from gateway.control.admin.values import read_values

_PLUGIN_COLUMNS = ("order_index", "id", "slug", "name", "hook_types", "is_active", "attachment")
_HEALTH_COLUMNS = ("id", "name", "status", "command")

LlmId = Annotated[int, typer.Argument(min=1, metavar="LLM_ID", help="The LLM's id.")]
AppId = Annotated[int, typer.Argument(min=1, metavar="APP_ID", help="The app's id.")]
PluginId = Annotated[int, typer.Argument(min=1, metavar="PLUGIN_ID", help="The plugin's id.")]
PluginIds = Annotated[
    list[int] | None, typer.Argument(min=1, metavar="PLUGIN_ID", help="All of them, in the order they act.")
]
LlmIds = Annotated[list[int] | None, typer.Argument(min=1, metavar="LLM_ID", help="All that the app may use.")]
Nothing = Annotated[bool, typer.Option("--none", help="Instead of ids: take all away.")]
Overlap = Annotated[int, typer.Option("--overlap-seconds", min=0, help="How long the old token stays good.")]
TokenRef = Annotated[
    str, typer.Argument(metavar="TOKEN_ID", help="Its id; - reads the token itself from the standard input.")
]


def _ids(ids: list[int] | None, *, none: bool) -> list[int]:
    """Exactly one of both must be said: an empty list by accident would take everything away."""
    if bool(ids) == none:
        raise UsageError("name at least one id, or --none to take all away")
    return list(ids or ())


def attach(
    llm: LlmId,
    plugins: PluginIds = None,
    none: Nothing = False,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Attach exactly these plugins to an LLM, in this order; those that stay keep their settings.

    Example: sluice admin plugins attach 1 3 2
    """
    with open_session(url, token, config, as_json=as_json) as session:
        body = {"plugin_ids": _ids(plugins, none=none)}
        session.do("PUT", f"/llms/{llm}/plugins", body, columns=_PLUGIN_COLUMNS)


def attached(
    llm: LlmId,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show the plugins of an LLM, in the order they act.

    Example: sluice admin plugins attached 1
    """
    with open_session(url, token, config, as_json=as_json) as session:
        session.do("GET", f"/llms/{llm}/plugins", columns=_PLUGIN_COLUMNS)


def configure(
    llm: LlmId,
    plugin: PluginId,
    values: Values = None,
    from_file: FromFile = None,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show a plugin's settings on one LLM, or change those that are named: config, app_id, is_active.

    Example: sluice admin plugins configure 1 3 app_id=2
    """
    with reporting():
        body = read_values(values or (), from_file)
    with open_session(url, token, config, as_json=as_json) as session:
        path = f"/llms/{llm}/plugins/{plugin}/config"
        session.do("PUT" if body else "GET", path, body or None)


def try_out(
    plugin: PluginId,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Load a plugin beside those that serve, and say what was found; exits 1 where it cannot be loaded.

    Example: sluice admin plugins test 3
    """
    with open_session(url, token, config, as_json=as_json) as session:
        answer = session.do("POST", f"/plugins/{plugin}/test", {})
        if answer["data"]["status"] != "passed":
            raise typer.Exit(1)


def health(
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show how every plugin is in the worker that answers.

    Example: sluice admin plugins health
    """
    from gateway.control.admin.show import show_json, show_rows  # noqa: PLC0415 - for this one

    with open_session(url, token, config, as_json=as_json) as session:
        answer = session.client.request("GET", "/plugins/health")
        if as_json:
            show_json(answer)
        else:
            found = answer.get("data", answer)
            show_rows(list(found["plugins"].values()), _HEALTH_COLUMNS)


def link(
    app: AppId,
    llms: LlmIds = None,
    none: Nothing = False,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Let an app use exactly these LLMs; those that stay keep their budgets.

    Example: sluice admin apps link 2 1 3
    """
    with open_session(url, token, config, as_json=as_json) as session:
        session.do("PUT", f"/apps/{app}/llms", {"llm_ids": _ids(llms, none=none)})


def rotate(
    id: Id,  # noqa: A002 - what the help calls it
    overlap_seconds: Overlap = 0,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Make a token in the place of another, and show it this once; the old one ends with the overlap.

    Example: sluice admin tokens rotate 3 --overlap-seconds 3600
    """
    with open_session(url, token, config, as_json=as_json) as session:
        session.do("POST", f"/tokens/{id}/rotate", {"overlap_seconds": overlap_seconds})


def revoke(
    ref: TokenRef,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Revoke a token, by its id or by itself; it is unknown from the next request on.

    Example: sluice admin tokens revoke - < leaked.txt
    """
    with open_session(url, token, config, as_json=as_json) as session:
        if ref == "-":
            session.do("POST", "/tokens/revoke", {"token": sys.stdin.read().strip()})
        elif ref.isascii() and ref.isdigit():
            session.do("DELETE", f"/tokens/{ref}")
        else:
            raise UsageError("TOKEN_ID: is no id; a token itself goes to the standard input: tokens revoke -")
