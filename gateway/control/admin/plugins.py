"""``sluice plugins``: what runs, and what an author needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.control.admin.session import DEFAULT_CONFIG, AsJson, Config, Token, Url, open_session
from sluice.command_line.application import Application
from sluice.plugin_kit.command import Set, add_kit, read_values

if TYPE_CHECKING:
    from gateway.control.admin.client import AdminClient

_HELP = """Show the plugins of a gateway that runs: name, version, capabilities, order, health, timings.

Exits 0 when it is done, 1 when the API refuses, 2 when it cannot be asked.

Example: sluice plugins --config sluice.yaml
"""
_COLUMNS = ("name", "version", "where", "health", "hooks", "order", "calls", "failures", "p50 µs", "p99 µs", "problem")
_PAGE = 100

Plugin = Annotated[
    str, typer.Argument(metavar="NAME", help="A registered plugin's name or slug; or a .py file, file:///path …")
]


def plugins_app() -> typer.Typer:
    """The sub-command, to be added to ``sluice``."""
    app = Application(name="plugins", help=_HELP, invoke_without_command=True, no_args_is_help=False)
    app.callback()(list_plugins)
    app.command("schema")(schema)
    add_kit(app)
    return app


def list_plugins(
    ctx: typer.Context,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Without a sub-command: every plugin, as the worker that answers has it."""
    if ctx.invoked_subcommand is not None:
        return
    from gateway.control.admin.show import show_json, show_rows  # noqa: PLC0415 - every sluice command imports this file

    with open_session(url, token, config, as_json=as_json) as session:
        places = _places(session.client)
        rows = [row for plugin in _health(session.client) for row in _rows(plugin, places)]
    if as_json:
        show_json(rows)
    elif rows:
        show_rows([{name: row[name] for name in _COLUMNS} for row in rows], _COLUMNS)
    else:
        typer.echo("no plugins are registered: sluice plugins new NAME writes one")


def schema(
    plugin: Plugin,
    values: Set = None,
    url: Url = "",
    token: Token = "",
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Print the JSON schema of a plugin's configuration; exits 1 where it cannot be loaded.

    Example: sluice plugins schema my_plugin/my_plugin.py
    """
    from sluice.plugin_host.registration import scheme_of  # noqa: PLC0415 - every sluice command imports this file

    found: Mapping[str, Any] | None
    if scheme_of(plugin) is not None:
        found = _schema_of_command(plugin, values or [])
    else:
        with open_session(url, token, config, as_json=True) as session:
            found = _schema_of_registered(session.client, plugin)
    typer.echo(json.dumps({"type": "object"} if found is None else found, indent=2))


def _schema_of_command(command: str, values: list[str]) -> Mapping[str, Any]:
    import asyncio  # noqa: PLC0415 - as above

    from sluice.plugin_kit.schemas import SchemaError, schema_of_command  # noqa: PLC0415 - as above

    try:
        return asyncio.run(schema_of_command(command, read_values(values), Path()))
    except SchemaError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _schema_of_registered(client: AdminClient, name: str) -> Mapping[str, Any] | None:
    for plugin in _every(client, "/plugins"):
        if name in {plugin["name"], plugin.get("slug")}:
            answer: Mapping[str, Any] = client.request("GET", f"/plugins/{plugin['id']}/config-schema")["data"]
            found: Mapping[str, Any] | None = answer["config_schema"]
            return found
    typer.echo(f"no plugin is registered as {name!r}; sluice plugins lists them", err=True)
    raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a plugin acts: on which LLM, and as the how manieth."""

    llm: str
    place: int


def _places(client: AdminClient) -> dict[int, list[_Place]]:
    places: dict[int, list[_Place]] = {}
    for llm in _every(client, "/llms"):
        ids = llm.get("plugin_ids")
        if ids is None:  # in the reference's dialect LLMs do not list them
            ids = [plugin["id"] for plugin in client.request("GET", f"/llms/{llm['ID']}/plugins")["data"]]
        for place, plugin_id in enumerate(ids, start=1):
            places.setdefault(plugin_id, []).append(_Place(llm["slug"], place))
    return places


def _health(client: AdminClient) -> list[Mapping[str, Any]]:
    answer = client.request("GET", "/plugins/health")
    return list(answer.get("data", answer)["plugins"].values())


def _rows(plugin: Mapping[str, Any], places: Mapping[int, Sequence[_Place]]) -> Iterator[dict[str, Any]]:
    """One for each instance; one for a plugin that is loaded nowhere."""
    order = ", ".join(f"{each.llm}:{each.place}" for each in places.get(plugin["id"], ()))
    shared = {"name": plugin["name"], "slug": plugin.get("slug"), "command": plugin["command"], "order": order or "-"}
    instances = plugin.get("instances") or [{}]
    for instance in instances:
        hooks = instance.get("hooks", [])
        acts = [hook["hook"] for hook in hooks] + (["endpoints"] if instance.get("endpoints") else [])
        yield {
            **shared,
            "version": instance.get("version") or "-",
            "where": instance.get("where", "-"),
            "health": _state(plugin, instance),
            "hooks": ", ".join(acts) or ", ".join(plugin.get("hook_types", ())) or "-",
            "calls": sum(hook["calls"] for hook in hooks),
            "failures": instance.get("failures", 0),
            "p50 µs": max((hook["p50_micros"] for hook in hooks), default=0),
            "p99 µs": max((hook["p99_micros"] for hook in hooks), default=0),
            "problem": instance.get("error") or plugin.get("error") or "-",
            "instance": instance or None,
        }


def _state(plugin: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    """Its state, and what else an operator should know at once."""
    said = [instance.get("status", plugin["status"])]
    breaker, restarts = instance.get("breaker", "closed"), instance.get("restarts", 0)
    if breaker != "closed":
        said.append(f"breaker {breaker}")
    if restarts:
        said.append(f"{restarts} restart{'s' if restarts > 1 else ''}")
    return ", ".join(said)


def _every(client: AdminClient, path: str) -> Iterator[Mapping[str, Any]]:
    page = 1
    while True:
        answer = client.request("GET", path, None, {"page": page, "limit": _PAGE})
        yield from answer["data"]
        if page >= answer.get("pagination", {}).get("total_pages", 1):
            return
        page += 1
