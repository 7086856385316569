"""What a plugin is and can do: what it says of itself, and where it says nothing, what the operator says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from sluice.plugin_host.config_schema import parse_schema
from sluice.plugin_host.errors import PluginLoadError
from sluice.plugin_host.manifest import read_document
from sluice.plugin_host.processes.calls import CONFIG, PLUGIN, Calls
from sluice.plugin_host.registration import HookType, PluginRegistration
from sluice.plugin_host.running import Described, EventType, Where
from sluice.plugin_wire import config_provider_pb2, plugin_pb2
from sluice.plugin_wire.extensions_pb2 import Description
from sluice.sdk.capabilities import Hook

QUESTION_SECONDS = 10.0
MAX_VERSION_CHARACTERS = 64
MAX_DESCRIPTION_CHARACTERS = 1000
"""What is longer is cut: it stands in every list of plugins."""

_HOOKS: tuple[Hook, ...] = get_args(Hook)
_EVENTS: tuple[EventType, ...] = get_args(EventType)


async def ask(registration: PluginRegistration, calls: Calls, where: Where) -> Described:
    """What it says before it is configured: its manifest and its config schema. Raises PluginLoadError for what is no
    JSON, CallFailed where it does not answer."""
    manifest = await _manifest(registration.name, calls)
    return Described(
        name=registration.name,
        version=_text(manifest, "version")[:MAX_VERSION_CHARACTERS],
        description=_text(manifest, "description")[:MAX_DESCRIPTION_CHARACTERS],
        where=where,
        config_schema=await _schema(registration.name, calls),
        manifest=manifest,
    )


def completed(
    described: Described,
    registration: PluginRegistration,
    initialized: plugin_pb2.InitResponse | None,
    *,
    is_unified: bool,
) -> Described:
    """With what it can do. Plugins of ours say that when they are initialised; of others the operator's ``hook_types``
    say it, or their manifest. Raises PluginLoadError where nobody does."""
    if initialized is not None and initialized.HasField("description"):
        return _by_itself(described, initialized.description)
    capabilities = (described.manifest or {}).get("capabilities")
    said: Mapping[str, Any] = capabilities if isinstance(capabilities, Mapping) else {}
    hook_types = registration.hook_types or _hook_types(registration.name, said)
    wanted = registration.model_copy(update={"hook_types": hook_types})
    hooks = tuple(hook for hook in _HOOKS if wanted.wants(hook))
    return replace(
        described,
        hooks=hooks,
        handles_chunks=said.get("handles_chunks") is True,
        authenticates="auth" in hooks,
        receives_payloads=is_unified,
        collects=frozenset(_EVENTS if "data_collection" in hook_types else ()),
    )


def _by_itself(described: Described, said: Description) -> Described:
    hooks = tuple(hook for hook in _HOOKS if hook in said.hooks)
    return replace(
        described,
        version=said.version[:MAX_VERSION_CHARACTERS] or described.version,
        description=said.description[:MAX_DESCRIPTION_CHARACTERS] or described.description,
        hooks=hooks,
        handles_chunks=said.handles_chunks,
        authenticates="auth" in hooks,
        receives_payloads=said.receives_payloads,
        collects=frozenset(event for event in _EVENTS if event in said.collects),
    )


def _hook_types(plugin: str, capabilities: Mapping[str, Any]) -> tuple[HookType, ...]:
    given = capabilities.get("hooks")
    known = tuple(kind for kind in get_args(HookType) if isinstance(given, list) and kind in given)
    if not known:
        problem = "neither its registration nor its manifest says which hooks it implements"
        raise PluginLoadError(plugin, problem, f"name them in hook_types: {', '.join(get_args(HookType))}")
    return known


async def _manifest(plugin: str, calls: Calls) -> Mapping[str, Any] | None:
    """Of whichever service has it; ``None`` where neither does."""
    request, kind = plugin_pb2.GetManifestRequest(), plugin_pb2.GetManifestResponse
    answer = await calls.call(PLUGIN + "GetManifest", request, kind, QUESTION_SECONDS)
    text = answer.manifest_json if answer is not None and answer.success else ""
    if not text.strip():
        other_request, other_kind = config_provider_pb2.GetManifestRequest(), config_provider_pb2.GetManifestResponse
        other = await calls.call(CONFIG + "GetManifest", other_request, other_kind, QUESTION_SECONDS)
        text = other.manifest_json if other is not None and other.success else ""
    return read_document(plugin, text) if text.strip() else None


async def _schema(plugin: str, calls: Calls) -> Mapping[str, Any] | None:
    """As ``_manifest``."""
    request, kind = plugin_pb2.GetConfigSchemaRequest(), plugin_pb2.GetConfigSchemaResponse
    answer = await calls.call(PLUGIN + "GetConfigSchema", request, kind, QUESTION_SECONDS)
    text = answer.schema_json if answer is not None and answer.success else ""
    if not text.strip():
        other_request, other_kind = config_provider_pb2.ConfigSchemaRequest(), config_provider_pb2.ConfigSchemaResponse
        other = await calls.call(CONFIG + "GetConfigSchema", other_request, other_kind, QUESTION_SECONDS)
        text = other.schema_json if other is not None and other.success else ""
    return parse_schema(plugin, text) if text.strip() else None


def _text(document: Mapping[str, Any] | None, key: str) -> str:
    found = (document or {}).get(key)
    return found if isinstance(found, str) else ""
