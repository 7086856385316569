"""What a plugin says that it is and needs: its manifest, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from sluice.plugin_host.errors import PluginLoadError, described
from sluice.plugin_host.registration import HookType
from sluice.sdk.capabilities import ManifestProvider
from sluice.sdk.plugin import BasePlugin
from sluice.sdk.services import Scope

MAX_MANIFEST_BYTES = 1 << 20
GATEWAY_HOOKS: frozenset[str] = frozenset(get_args(HookType))
OTHER_HOOKS = frozenset(("studio_ui", "portal_ui", "agent", "object_hooks", "resource_provider"))
"""Right in a manifest, and nothing that a gateway calls."""
SCOPES: frozenset[str] = frozenset(get_args(Scope))
REFUSED_SCOPES = frozenset(("analytics.read", "analytics.detailed", "analytics.reports"))
"""Nobody gets these: a plugin that asks for one is refused."""

_REMEDY = "correct the plugin's manifest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest that is right."""

    id: str
    version: str
    name: str
    description: str = ""
    hooks: tuple[HookType, ...] = ()
    """Those of a gateway, the primary one first; empty where it has only others."""
    scopes: tuple[Scope, ...] = ()
    """What it asks for, and an operator may grant."""
    other_scopes: tuple[str, ...] = ()
    """What it asks for and no gateway has."""


def manifest_of(plugin: BasePlugin[Any], name: str = "") -> Mapping[str, Any] | None:
    """The manifest of a plugin in this process, checked; ``None`` where it has none. Raises PluginLoadError; ``name``
    is what the operator calls the plugin."""
    if not isinstance(plugin, ManifestProvider):
        return None
    name = name or plugin.name
    try:
        given = plugin.get_manifest()
    except BaseException as error:  # whatever it raises is its own fault
        raise PluginLoadError(name, f"get_manifest raised {described(error)}", _REMEDY) from error
    document = read_document(name, given)
    parse_manifest(name, document)
    return document


def read_document(plugin: str, given: Any) -> dict[str, Any]:
    """A manifest's JSON object, its content not checked yet. Raises PluginLoadError."""
    if not isinstance(given, str | bytes | bytearray):
        raise PluginLoadError(plugin, f"its manifest is of type {type(given).__name__}, not JSON text", _REMEDY)
    if len(given) > MAX_MANIFEST_BYTES:
        problem = f"its manifest has {len(given)} bytes, more than {MAX_MANIFEST_BYTES}"
        raise PluginLoadError(plugin, problem, _REMEDY)
    try:
        document = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise PluginLoadError(plugin, f"its manifest is no JSON ({error})", _REMEDY) from error
    if not isinstance(document, dict):
        raise PluginLoadError(plugin, "its manifest is no JSON object", _REMEDY)
    return document


def parse_manifest(plugin: str, document: Mapping[str, Any]) -> Manifest:
    """The manifest; raises PluginLoadError, which names all that is wrong with it."""
    problems: list[str] = []
    texts = {key: _text(document, key, problems) for key in ("id", "version", "name")}
    hooks = _hooks(document.get("capabilities"), problems)
    scopes = _scopes(document.get("permissions"), problems)
    if problems:
        raise PluginLoadError(plugin, f"its manifest is wrong: {'; '.join(problems)}", _REMEDY)
    description = document.get("description")
    return Manifest(
        **texts,
        description=description if isinstance(description, str) else "",
        hooks=tuple(hook for hook in get_args(HookType) if hook in hooks),
        scopes=tuple(scope for scope in get_args(Scope) if scope in scopes),
        other_scopes=tuple(scope for scope in scopes if scope not in SCOPES),
    )


def _text(document: Mapping[str, Any], key: str, problems: list[str]) -> str:
    value = document.get(key)
    if isinstance(value, str) and value:
        return value
    problems.append(f"{key} is missing" if value is None else f"{key} is no text, or empty")
    return ""


def _hooks(capabilities: Any, problems: list[str]) -> list[str]:
    given = capabilities.get("hooks") if isinstance(capabilities, Mapping) else None
    if not isinstance(given, list) or not given:
        problems.append("capabilities.hooks names no hook")
        return []
    known = GATEWAY_HOOKS | OTHER_HOOKS
    unknown = [str(hook) for hook in given if not isinstance(hook, str) or hook not in known]
    if unknown:
        problems.append(f"capabilities.hooks: {', '.join(unknown)[:200]} is none of {', '.join(sorted(known))}")
    primary = capabilities.get("primary_hook")
    if primary is not None and primary != "" and primary not in given:
        problems.append(f"capabilities.primary_hook {primary!r:.40} is not in capabilities.hooks")
    return [hook for hook in given if isinstance(hook, str)]


def _scopes(permissions: Any, problems: list[str]) -> list[str]:
    given = permissions.get("services") if isinstance(permissions, Mapping) else None
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(scope, str) for scope in given):
        problems.append("permissions.services is no list of texts")
        return []
    refused = sorted(REFUSED_SCOPES.intersection(given))
    if refused:
        problems.append(f"permissions.services: {', '.join(refused)} is given to nobody")
    return list(dict.fromkeys(given))
