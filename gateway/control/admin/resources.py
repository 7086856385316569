"""The commands that every resource has: ``list``, ``show``, ``create``, ``update``, ``delete``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from gateway.control.admin.session import (
    DEFAULT_CONFIG,
    AsJson,
    Config,
    Filters,
    FromFile,
    IfVersion,
    Token,
    Url,
    Values,
    open_session,
    reporting,
)
from gateway.control.admin.values import read_values
from sluice.command_line.application import Application

Id = Annotated[int, typer.Argument(min=1, help="Its id.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of thing that the API manages."""

    name: str
    """Of its commands."""
    path: str
    one: str
    """What people call it, with its article."""
    many: str
    columns: tuple[str, ...]
    """Of its table."""
    filters: str = ""
    """An example of them; empty where the example needs none."""
    create: str
    """An example of a new one's values."""
    change: str = ""
    """An example of a change; empty where it cannot be changed."""
    delete_help: str = ""


RESOURCES = (
    Resource(
        name="llms",
        path="/llms",
        one="an LLM",
        many="LLMs",
        columns=(
            "id",
            "slug",
            "name",
            "vendor",
            "endpoint",
            "default_model",
            "is_active",
            "api_key_source",
            "plugin_ids",
        ),
        filters="vendor=openai",
        create="name=GPT vendor=openai endpoint=https://api.openai.com/v1 api_key=@/run/secrets/openai",
        change="'allowed_models=[\"gpt-4o.*\"]'",
    ),
    Resource(
        name="apps",
        path="/apps",
        one="an app",
        many="apps",
        columns=("id", "name", "owner_email", "is_active", "monthly_budget", "rate_limit_rpm", "llm_ids"),
        filters="active=true",
        create="name=bench owner_email=dev@example.com 'llm_ids=[1]' monthly_budget=12.50",
        change="monthly_budget=20",
    ),
    Resource(
        name="tokens",
        path="/tokens",
        one="a token",
        many="an app's tokens",
        columns=("id", "app_id", "name", "prefix", "scopes", "is_active", "expires_at", "last_used_at"),
        filters="app_id=2",
        create="app_id=2 name=ci expires_at=2030-01-31T12:00:00Z",
        delete_help="Revoke a token; it is unknown from the next request on.",
    ),
    Resource(
        name="prices",
        path="/pricing",
        one="a price",
        many="prices",
        columns=(
            "id",
            "vendor",
            "model_name",
            "currency",
            "cpit",
            "cpt",
            "cache_read_pt",
            "cache_write_pt",
            "valid_from",
        ),
        filters="vendor=openai",
        create="vendor=openai model_name=gpt-4o-mini cpit=0.00000015 cpt=0.0000006",
        change="cpt=0.0000005",
    ),
    Resource(
        name="plugins",
        path="/plugins",
        one="a plugin",
        many="plugins",
        columns=("id", "slug", "name", "command", "hook_types", "is_active"),
        filters="hook_type=post_auth",
        create="name=Enricher command=python://sluice.plugins.request_enricher:RequestEnricher hook_type=post_auth",
        change='\'config={"additional_instruction": "Be terse."}\'',
    ),
)


def resource_commands(resource: Resource) -> typer.Typer:
    """The commands of one resource."""
    app = Application(help=f"Manage {resource.many}.{_example(resource, 'list')}")
    _add_looks(app, resource)
    _add_create(app, resource)
    if resource.change:
        _add_update(app, resource)
    _add_delete(app, resource)
    return app


def _example(resource: Resource, rest: str) -> str:
    return f"\n\nExample: sluice admin {resource.name} {rest}"


def _add_looks(app: typer.Typer, resource: Resource) -> None:
    filters = f"list {resource.filters}".rstrip()

    @app.command("list", help=f"List {resource.many}, a page at a time.{_example(resource, filters)}")
    def list_(
        filters: Filters = None,
        url: Url = "",
        token: Token = "",
        config: Config = DEFAULT_CONFIG,
        as_json: AsJson = False,
    ) -> None:
        with open_session(url, token, config, as_json=as_json) as session:
            session.do("GET", resource.path, query=read_values(filters or ()), columns=resource.columns)

    @app.command("show", help=f"Show {resource.one}.{_example(resource, 'show 1')}")
    def show(
        id: Id,  # noqa: A002 - what the help calls it
        url: Url = "",
        token: Token = "",
        config: Config = DEFAULT_CONFIG,
        as_json: AsJson = False,
    ) -> None:
        with open_session(url, token, config, as_json=as_json) as session:
            session.do("GET", f"{resource.path}/{id}")


def _add_create(app: typer.Typer, resource: Resource) -> None:
    @app.command("create", help=f"Make {resource.one}.{_example(resource, f'create {resource.create}')}")
    def create(
        values: Values = None,
        from_file: FromFile = None,
        url: Url = "",
        token: Token = "",
        config: Config = DEFAULT_CONFIG,
        as_json: AsJson = False,
    ) -> None:
        with reporting():
            body = read_values(values or (), from_file)
        with open_session(url, token, config, as_json=as_json) as session:
            session.do("POST", resource.path, body)


def _add_update(app: typer.Typer, resource: Resource) -> None:
    text = f"Change what is named of {resource.one}; the rest stays."

    @app.command("update", help=f"{text}{_example(resource, f'update 1 {resource.change}')}")
    def update(
        id: Id,  # noqa: A002 - what the help calls it
        values: Values = None,
        from_file: FromFile = None,
        if_version: IfVersion = None,
        url: Url = "",
        token: Token = "",
        config: Config = DEFAULT_CONFIG,
        as_json: AsJson = False,
    ) -> None:
        with reporting():
            body = read_values(values or (), from_file)
        with open_session(url, token, config, as_json=as_json) as session:
            session.do("PUT", f"{resource.path}/{id}", body, if_version=if_version)


def _add_delete(app: typer.Typer, resource: Resource) -> None:
    text = resource.delete_help or f"Delete {resource.one}."

    @app.command("delete", help=f"{text}{_example(resource, 'delete 1')}")
    def delete(
        id: Id,  # noqa: A002 - what the help calls it
        if_version: IfVersion = None,
        url: Url = "",
        token: Token = "",
        config: Config = DEFAULT_CONFIG,
        as_json: AsJson = False,
    ) -> None:
        with open_session(url, token, config, as_json=as_json) as session:
            session.do("DELETE", f"{resource.path}/{id}", if_version=if_version)
