"""What the API shows of a plugin on its way from a registration to its service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from gateway.control.api.views import At, View, at, at_or_none
from gateway.control.entities import PluginEntity
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.manifest import parse_manifest
from sluice.plugin_host.running import Described

Status = Literal["not_validated", "scopes_pending", "ready"]


@dataclass(frozen=True, slots=True)
class ValidatedPlugin:
    """A plugin that was loaded, and what it said."""

    plugin: PluginEntity
    described: Described
    hook_types: tuple[str, ...]
    validated_at: int


@dataclass(frozen=True, slots=True)
class ConfigSchema:
    """A plugin's schema; ``None`` takes anything."""

    plugin: PluginEntity
    schema: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Workflow:
    """How far a plugin is."""

    plugin: PluginEntity
    requested: tuple[str, ...]

    @property
    def missing(self) -> list[str]:
        """What it asks for and was not granted."""
        return [scope for scope in self.requested if scope not in self.plugin.service_scopes]

    @property
    def status(self) -> Status:
        """``ready`` where nothing is left to be done."""
        if self.plugin.validated_at is None:
            return "not_validated"
        return "scopes_pending" if self.missing else "ready"


def workflow_of(plugin: PluginEntity) -> Workflow:
    """As it stands."""
    return Workflow(plugin, requested_scopes(plugin))


def requested_scopes(plugin: PluginEntity) -> tuple[str, ...]:
    """What its manifest asks for and a gateway has; nothing where there is none, or it is wrong."""
    if plugin.manifest is None:
        return ()
    try:
        return parse_manifest(plugin.slug, plugin.manifest).scopes
    except PluginLoadError:
        return ()


class ValidatedPluginView(View):
    """What a plugin said when it was loaded."""

    id: Annotated[int, Field(examples=[1])]
    command: str
    name: Annotated[str, Field(description="as the plugin calls itself")]
    plugin_version: Annotated[str, Field(examples=["1.0.0"])]
    where: Annotated[str, Field(examples=["in_process"], description="in_process, process or attached")]
    hook_types: list[str]
    primary_hook: str
    config_schema: dict[str, Any] | None
    manifest: dict[str, Any] | None
    scopes: Annotated[list[str], Field(description="what its manifest asks for")]
    status: Annotated[str, Field(examples=["ready"], description="ready or scopes_pending")]
    loaded_at: At

    @classmethod
    def of(cls, found: ValidatedPlugin) -> Self:
        """The view of one."""
        described, workflow = found.described, workflow_of(found.plugin)
        hooks = list(found.hook_types or described.hooks)
        manifest = None if described.manifest is None else dict(described.manifest)
        primary = (manifest or {}).get("capabilities", {}).get("primary_hook") or (hooks[0] if hooks else "")
        return cls(
            id=found.plugin.id,
            command=found.plugin.command,
            name=described.name,
            plugin_version=described.version,
            where=described.where,
            hook_types=hooks,
            primary_hook=primary,
            config_schema=None if described.config_schema is None else dict(described.config_schema),
            manifest=manifest,
            scopes=list(workflow.requested),
            status="scopes_pending" if workflow.missing else "ready",
            loaded_at=at(found.validated_at),
        )


class WorkflowStatusView(View):
    """How far a plugin is on its way."""

    status: Annotated[str, Field(examples=["ready"], description="not_validated, scopes_pending or ready")]
    service_scopes: list[str]
    requested_scopes: list[str]
    service_access_authorized: bool
    requires_approval: bool
    last_manifest_loaded_at: At | None

    @classmethod
    def of(cls, workflow: Workflow) -> Self:
        """The view of it."""
        return cls(
            status=workflow.status,
            service_scopes=list(workflow.plugin.service_scopes),
            requested_scopes=list(workflow.requested),
            service_access_authorized=not workflow.missing,
            requires_approval=bool(workflow.missing),
            last_manifest_loaded_at=at_or_none(workflow.plugin.validated_at),
        )


class ConfigSchemaView(View):
    """The configuration that a plugin takes."""

    plugin_id: Annotated[int, Field(examples=[1])]
    command: str
    config_schema: Annotated[dict[str, Any] | None, Field(description="JSON schema; null takes anything")]

    @classmethod
    def of(cls, found: ConfigSchema) -> Self:
        """The view of it."""
        return cls(plugin_id=found.plugin.id, command=found.plugin.command, config_schema=found.schema)
