"""Plugins: registered here, attached to LLMs with ``PUT /llms/{id}/plugins``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response
from pydantic import AfterValidator, Field, StrictInt, StrictStr, ValidationError

from gateway.control.api.call import Call, CallOf
from gateway.control.api.config_secrets import with_secrets
from gateway.control.api.envelopes import Done, Many, One
from gateway.control.api.fields import MAX_ID, Body, Flag, Line, Name, Object, Seconds, Slug, Text, example, slug_of
from gateway.control.api.fields import single_line as line
from gateway.control.api.paging import PageQuery, cut, every
from gateway.control.api.plugin_views import PluginsHealth, PluginsHealthView, PluginTestView, TestedPlugin, by_plugin
from gateway.control.api.problems import invalid, not_in_this_version
from gateway.control.api.renderer import Answer
from gateway.control.api.route import control_router
from gateway.control.api.views import PluginView
from gateway.control.entities import PluginEntity
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.registration import PluginRegistration

router = control_router("plugins")
PluginId = Annotated[int, Path(ge=1, le=MAX_ID)]
Command = Annotated[StrictStr, Field(min_length=1, max_length=4096), AfterValidator(line)]
Hook = Annotated[StrictStr, Field(max_length=64), AfterValidator(line)]
Hooks = Annotated[list[Hook], Field(max_length=16)]
_OCI = (
    "plugins from OCI registries are not in this version; install the package and write python://package.module:Class"
)


class PluginChange(Body):
    """Any of a plugin's fields; those that are not named stay as they are."""

    model_config = example({"config": {"additional_instruction": "Be brief."}}, is_change=True)

    name: Name = ""
    slug: Slug = ""
    description: Text = ""
    command: Command = ""
    """``python://package.module:Class``, the path of a ``.py`` file, ``file:///path`` or ``grpc://host:port``."""
    checksum: Annotated[StrictStr, Field(max_length=128), AfterValidator(line)] = ""
    plugin_type: Annotated[StrictStr, Field(max_length=64), AfterValidator(line)] = ""
    hook_type: Hook = ""
    """One hook; the same as ``hook_types`` with that one."""
    hook_types: Hooks = Field(default_factory=list)
    """The hooks it may act at; empty is every one that it implements."""
    config: Object | None = None
    is_active: Flag = True
    timeout_ms: Annotated[StrictInt, Field(ge=1, le=600_000)] = 1000
    on_failure: Literal["closed", "open"] | None = None
    namespace: Line = ""
    on_stream: Literal["buffer", "refuse", "skip"] = "buffer"
    """What a body hook that does not handle chunks does to streams."""
    on_oversize: Literal["refuse", "skip"] = "refuse"
    """What happens to a body that the protocol of a process cannot carry."""
    max_concurrent: Annotated[StrictInt, Field(ge=0, le=100_000)] = 0
    breaker_failures: Annotated[StrictInt, Field(ge=0, le=1_000_000)] = 20
    breaker_pause_seconds: Seconds = 10.0
    service_scopes: Annotated[list[Hook], Field(max_length=16)] = Field(default_factory=list)
    """What a plugin in a process of its own may ask of the gateway."""
    token: Annotated[StrictStr, Field(max_length=1024), AfterValidator(line)] = ""
    """``env:NAME`` or ``file:PATH`` of what a ``grpc://`` plugin wants to be shown."""
    ca_file: Annotated[StrictStr, Field(max_length=4096), AfterValidator(line)] = ""


class PluginCreate(PluginChange):
    """A new plugin."""

    model_config = example(
        {
            "name": "My Plugin",
            "slug": "my-plugin",
            "description": "Custom plugin",
            "command": "python://sluice.plugins.request_enricher:RequestEnricher",
            "hook_type": "post_auth",
            "is_active": True,
            "plugin_type": "gateway",
        }
    )

    name: Name
    command: Command


class PluginQuery(PageQuery):
    """Which plugins."""

    hook_type: Annotated[str, Field(max_length=64)] | None = None
    active: bool | None = None


def _values(body: PluginChange, present: PluginEntity | None = None) -> dict[str, Any]:
    """The entity's fields of what was named; secrets that were written as they are shown are the present ones."""
    values = body.given()
    hook, hooks = values.pop("hook_type", ""), values.get("hook_types", [])
    if hook and hook not in hooks:
        hooks = [hook, *hooks]
    if hooks or "hook_types" in values:
        values["hook_types"] = tuple(dict.fromkeys(hooks))
        values["hook_types_customized"] = bool(hooks)
    if "service_scopes" in values:
        values["service_scopes"] = tuple(dict.fromkeys(values["service_scopes"]))
    if "config" in values:
        values["config"] = with_secrets(values["config"] or {}, present.config if present else {})
    return values


def _check(values: dict[str, Any]) -> None:
    """What the host would refuse is refused here, by the field's name; ``values`` are all of a plugin's."""
    try:
        PluginRegistration.model_validate({"id": 1, "name": "plugin", **values})
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[0]
        field = str(found["loc"][0]) if found["loc"] else "command"
        raise invalid(field, found["msg"].removeprefix("Value error, ")) from None


_CHECKED = tuple(name for name in PluginRegistration.model_fields if name not in {"id", "name"})


@router.get("/plugins", name="plugin.listed", response_model=Many[PluginView])
async def list_plugins(query: Annotated[PluginQuery, Query()], call: CallOf) -> Response:
    """Plugins, the newest last."""
    wanted = {} if query.active is None else {"is_active": query.active}
    found = await every(call.store.plugins, **wanted)  # there are few, and no database looks for their hooks
    if query.hook_type is not None:
        found = [plugin for plugin in found if query.hook_type in plugin.hook_types]
    part = cut(found, query)
    return await call.listed(part.items, part.total, query)


@router.post("/plugins", name="plugin.created", status_code=201, response_model=One[PluginView])
async def create_plugin(body: PluginCreate, call: CallOf) -> Response:
    """A new plugin; it acts where it is attached. Its slug is made of its name where none is given."""
    values = _values(body)
    values["slug"] = values.get("slug") or slug_of(body.name)
    if not values["slug"]:
        raise invalid("slug", "cannot be made of this name; give one, e.g. my-plugin")
    _check({name: values[name] for name in _CHECKED if name in values})

    async def make() -> Answer:
        plugin = await call.store.plugins.create(values, call.actor)
        return Answer(data=plugin, version=plugin.version)

    return await call.create(make)


@router.get("/plugins/health", name="plugin.health", response_model=One[PluginsHealthView])
async def read_plugins_health(call: CallOf) -> Response:
    """Every plugin as the worker that answers has it."""
    return await call.answer(Answer(data=await plugins_health(call)))


async def plugins_health(call: Call) -> PluginsHealth:
    """Every plugin, beside what the host says of it."""
    said = by_plugin(call.services.plugins.health())
    return PluginsHealth([(plugin, said.get(plugin.id, ())) for plugin in await every(call.store.plugins)])


@router.get("/plugins/oci/status", name="plugin.oci_status", status_code=501)
async def read_oci_status(call: CallOf) -> Response:  # noqa: ARG001 - every route has a call
    """Not in this version: says what to do instead."""
    raise not_in_this_version(_OCI)


@router.post("/plugins/prewarm", name="plugin.prewarmed", status_code=501)
async def prewarm_plugin(call: CallOf) -> Response:  # noqa: ARG001 - every route has a call
    """Not in this version: says what to do instead."""
    raise not_in_this_version(_OCI)


@router.get("/plugins/{plugin_id}", name="plugin.read", response_model=One[PluginView])
async def read_plugin(plugin_id: PluginId, call: CallOf) -> Response:
    """One plugin."""
    return await call.entity(await call.store.plugins.get(plugin_id))


@router.put("/plugins/{plugin_id}", name="plugin.updated", response_model=One[PluginView])
async def update_plugin(plugin_id: PluginId, body: PluginChange, call: CallOf) -> Response:
    """Change what is named; it is loaded anew, for the next request."""
    plugin = await call.store.plugins.get(plugin_id)
    values = _values(body, plugin)
    _check({name: values.get(name, getattr(plugin, name)) for name in _CHECKED})
    return await call.changed_entity(await call.store.plugins.update(plugin_id, values, call.actor, call.if_version))


@router.delete("/plugins/{plugin_id}", name="plugin.deleted", response_model=Done)
async def delete_plugin(plugin_id: PluginId, call: CallOf) -> Response:
    """Delete a plugin, and detach it everywhere."""
    await call.store.plugins.delete(plugin_id, call.actor, call.if_version)
    return await call.changed(Answer())


@router.post("/plugins/{plugin_id}/reload", name="plugin.updated", response_model=One[PluginView])
async def reload_plugin(plugin_id: PluginId, call: CallOf) -> Response:
    """Load a plugin anew in every worker, with what its file says now; a body is not needed."""
    return await call.changed_entity(await call.store.renew_plugin(plugin_id, call.actor))


@router.post("/plugins/{plugin_id}/test", name="plugin.tested", response_model=One[PluginTestView])
async def try_plugin(plugin_id: PluginId, call: CallOf) -> Response:
    """Load a plugin beside those that serve, with its configuration, and say what was found; a body is not needed."""
    plugin = await call.store.plugins.get(plugin_id)
    error = ""
    try:
        await call.services.plugins.try_out(plugin)
    except PluginLoadError as found:
        error = str(found)
    return await call.answer(Answer(data=TestedPlugin(plugin, error)))
