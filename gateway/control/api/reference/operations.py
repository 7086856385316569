"""What the gateway is and how its plugins are, as the reference shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gateway.control.api.plugin_views import state_of
from gateway.control.api.reference.rows import Row, hook_type
from gateway.control.api.views import at

if TYPE_CHECKING:
    from gateway.control.api.plugin_views import PluginsHealth, TestedPlugin
    from gateway.control.api.reference.figures import TokenCounts
    from gateway.control.api.renderer import Probe
    from gateway.control.api.services import SystemInfo
    from gateway.control.entities import PluginEntity
    from sluice.plugin_host.host import PluginHealth

SERVICE = "microgateway"
"""What existing clients look for."""
_NANOS_PER_MICRO = 1000
_TESTS = ("command_validation", "config_parsing", "hook_type_validation", "checksum_verification")
_NO_OCI: Mapping[str, Any] = {"cache_size": 0, "cached_plugins": None, "enabled": False, "stats": {}}


def system_row(info: SystemInfo, tokens: TokenCounts) -> Row:
    """What the gateway says of itself; its events are not buffered for analytics, so those figures are none."""
    return {
        "build_hash": "unknown",
        "build_time": "unknown",
        "service": SERVICE,
        "stats": {
            "analytics": {
                "buffer_size": 0,
                "enabled": True,
                "flush_interval": 0,
                "max_buffer_size": 0,
                "realtime": True,
            },
            "tokens": {
                "TotalTokens": tokens.total,
                "ActiveTokens": tokens.active,
                "ExpiredTokens": tokens.expired,
                "AppsWithTokens": tokens.apps,
            },
        },
        "status": "running",
        "version": info.version,
    }


def tested_row(tested: TestedPlugin) -> Row:
    """A plugin that was loaded with its configuration, which looks at all that the reference's checks do and more."""
    plugin = tested.plugin
    works = not tested.error
    return {
        "details": {
            "config_keys": len(plugin.config),
            "config_parsed": works,
            "hook_type_valid": works,
            "tests_run": list(_TESTS),
        },
        "hook_type": hook_type(plugin.hook_types),
        "message": "Basic plugin validation completed successfully" if works else tested.error,
        "plugin_id": plugin.id,
        "plugin_name": plugin.name,
        "status": "passed" if works else "failed",
    }


def health_body(health: PluginsHealth) -> Row:
    """The plugins that are loaded in this worker, by id; no ``data`` around it."""
    loaded = [(plugin, instances) for plugin, instances in health.plugins if instances]
    return {
        "plugins": {str(plugin.id): _health(plugin, instances) for plugin, instances in loaded},
        "summary": summary([state_of(instances) for _, instances in loaded]),
    }


def _health(plugin: PluginEntity, instances: Sequence[PluginHealth]) -> Row:
    row = {
        "id": plugin.id,
        "name": plugin.name,
        "command": plugin.command,
        "hook_type": hook_type(plugin.hook_types),
        "status": state_of(instances),
        "last_attempt": at(max(each.attempted_at for each in instances)),
        "is_oci": False,
        "load_time": sum(each.load_micros for each in instances) * _NANOS_PER_MICRO,
    }
    errors = [each.error for each in instances if each.error]
    return {**row, "error": errors[0]} if errors else row


def summary(states: Sequence[str]) -> Row:
    """How many plugins are in which state."""
    failed, ready, loading = (states.count(state) for state in ("failed", "ready", "loading"))
    return {
        "all_ready": failed == loading == 0,
        "cached_oci_plugins": 0,
        "failed_plugins": failed,
        "loading_plugins": loading,
        "oci_plugins": 0,
        "ready_plugins": ready,
        "total_plugins": len(states),
        "unknown_plugins": len(states) - failed - ready - loading,
    }


def oci_status() -> Row:
    """No plugin comes from an OCI registry."""
    return dict(_NO_OCI)


def probe_body(name: Probe, body: Mapping[str, Any], states: Sequence[str], info: SystemInfo) -> Row:
    """``/health``, ``/ready``, ``/health/detailed`` and ``/`` of what was found; ``states`` are the plugins'."""
    if name == "health":
        return {"service": SERVICE, "status": body["status"]}
    if name == "service":
        return {
            "build_hash": "unknown",
            "build_time": "unknown",
            "service": SERVICE,
            "status": "running",
            "version": info.version,
        }
    plugins = summary(states)
    if name == "ready":
        ready = {"plugin_health": plugins, "service": SERVICE}
        problems = body["problems"]
        return (
            {**ready, "status": "not ready", "error": "; ".join(problems)} if problems else {**ready, "status": "ready"}
        )
    kept = {key: value for key, value in body["database"].items() if key in {"status", "error"}}
    return {
        "database": kept,
        "plugins": {"all_ready": plugins["all_ready"], "oci_stats": oci_status(), "summary": plugins},
        "service": SERVICE,
        "status": body["status"],
    }
