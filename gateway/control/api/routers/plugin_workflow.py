"""From a registered plugin to one that may serve: what it says of itself, and what an operator grants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path, Response

from gateway.control.api.call import Call, CallOf
from gateway.control.api.envelopes import One
from gateway.control.api.fields import MAX_ID, Body, Flag, example
from gateway.control.api.problems import Problem
from gateway.control.api.renderer import Answer
from gateway.control.api.route import control_router
from gateway.control.api.views import PluginView
from gateway.control.api.workflow_views import (
    ConfigSchema,
    ConfigSchemaView,
    ValidatedPlugin,
    ValidatedPluginView,
    WorkflowStatusView,
    requested_scopes,
    workflow_of,
)
from gateway.control.entities import PluginEntity
from sluice.clock import now_micros
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.manifest import parse_manifest
from sluice.plugin_host.running import Described

router = control_router("plugins")
PluginId = Annotated[int, Path(ge=1, le=MAX_ID)]


class ScopeApproval(Body):
    """Whether the plugin gets what its manifest asks for."""

    model_config = example({"approved": True})

    approved: Flag


@router.post("/plugins/{plugin_id}/validate-and-load", name="plugin.validated", response_model=One[ValidatedPluginView])
async def validate_and_load(plugin_id: PluginId, call: CallOf) -> Response:
    """Load a plugin beside those that serve, keep its manifest and its schema, and load it anew where it is active.

    Its ``hook_types`` become the manifest's, unless an operator chose them. A body is not needed.
    """
    plugin = await call.store.plugins.get(plugin_id)
    described = await _described(call, plugin)
    values = _learned(plugin, described)
    if not (values["hook_types"] or described.hooks or described.collects or described.has_endpoints):
        raise Problem(400, "no_hooks", "the plugin has no hooks; derive it from a handler, or name its hook_types")
    if plugin.managed_by != "file":
        plugin = await call.store.plugins.update(plugin_id, values, call.actor, call.if_version)
    data = ValidatedPlugin(plugin, described, tuple(values["hook_types"]), values["validated_at"])
    return await call.changed(Answer(data=data, version=plugin.version))


@router.post("/plugins/{plugin_id}/approve-scopes", name="plugin.scopes_approved", response_model=One[PluginView])
async def approve_scopes(plugin_id: PluginId, body: ScopeApproval, call: CallOf) -> Response:
    """Grant exactly what the manifest asks for, or take every scope away. It acts on the plugin's next call."""
    plugin = await call.store.plugins.get(plugin_id)
    if body.approved and plugin.manifest is None:
        message = "its manifest was not read yet; ask for POST /plugins/<id>/validate-and-load first"
        raise Problem(409, "not_validated", message)
    scopes = requested_scopes(plugin) if body.approved else ()
    values = {"service_scopes": scopes}
    return await call.changed_entity(await call.store.plugins.update(plugin_id, values, call.actor, call.if_version))


@router.get("/plugins/{plugin_id}/workflow-status", name="plugin.workflow", response_model=One[WorkflowStatusView])
async def read_workflow_status(plugin_id: PluginId, call: CallOf) -> Response:
    """How far a plugin is on its way."""
    plugin = await call.store.plugins.get(plugin_id)
    return await call.answer(Answer(data=workflow_of(plugin), version=plugin.version))


@router.get("/plugins/{plugin_id}/config-schema", name="plugin.config_schema", response_model=One[ConfigSchemaView])
async def read_config_schema(plugin_id: PluginId, call: CallOf) -> Response:
    """The JSON schema of its configuration: as it was kept, else as the plugin says now."""
    plugin = await call.store.plugins.get(plugin_id)
    schema = plugin.config_schema
    if schema is None:
        schema = _plain((await _described(call, plugin)).config_schema)
    return await call.answer(Answer(data=ConfigSchema(plugin, schema)))


@router.post(
    "/plugins/{plugin_id}/config-schema/refresh",
    name="plugin.config_schema_refreshed",
    response_model=One[ConfigSchemaView],
)
async def refresh_config_schema(plugin_id: PluginId, call: CallOf) -> Response:
    """Ask the plugin again, and keep what it says. A body is not needed."""
    plugin = await call.store.plugins.get(plugin_id)
    schema = _plain((await _described(call, plugin)).config_schema)
    if plugin.managed_by != "file":
        plugin = await call.store.plugins.update(plugin_id, {"config_schema": schema}, call.actor, call.if_version)
    return await call.changed(Answer(data=ConfigSchema(plugin, schema)))


async def _described(call: Call, plugin: PluginEntity) -> Described:
    try:
        return await call.services.plugins.try_out(plugin)
    except PluginLoadError as error:
        raise Problem(400, "plugin_refused", str(error), error="Plugin cannot be loaded") from error


def _learned(plugin: PluginEntity, described: Described) -> dict[str, Any]:
    """What is kept of what a plugin said."""
    values: dict[str, Any] = {
        "manifest": _plain(described.manifest),
        "config_schema": _plain(described.config_schema),
        "validated_at": now_micros(),
        "hook_types": plugin.hook_types,
    }
    if described.manifest is not None and not plugin.hook_types_customized:
        try:
            values["hook_types"] = parse_manifest(plugin.slug, described.manifest).hooks
        except PluginLoadError as error:
            raise Problem(400, "plugin_refused", str(error), error="Plugin cannot be loaded") from error
    return values


def _plain(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if value is None else dict(value)
