"""How a plugin is configured, and what it says of itself in return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.plugin_wire.extensions_pb2 import Description
from sluice.sdk.capabilities import (
    CustomEndpointHandler,
    DataCollector,
    EdgePayloadReceiver,
    ResponseHandler,
    SessionAware,
    hooks_of,
    overridden,
)
from sluice.sdk.plugin import BasePlugin
from sluice.sdk.wire.values import text, texts

_PLUGIN_ID: Final = "_plugin_id"
_BROKER_ID: Final = "_service_broker_id"

_COLLECTS: Final = {
    "proxy_log": "handle_proxy_log",
    "analytics": "handle_analytics",
    "budget": "handle_budget_usage",
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What ``Initialize`` carries."""

    texts: Mapping[str, str]
    """As the protocol has it: text as it is, other values as JSON."""
    values: Mapping[str, Any] | None
    """As the operator wrote it; ``None`` where the host is not ours."""
    plugin_id: int = 0
    broker_id: int = 0
    """Of what the host announces its services by."""

    def says_the_same(self, other: Configuration) -> bool:
        """Whether the operator wrote the same, whoever is asking."""
        return self.texts == other.texts and self.values == other.values


def configuration_to_wire(config: Mapping[str, Any], plugin_id: int, broker_id: int = 0) -> pb.InitRequest:
    """For ``Initialize``; a ``broker_id`` of 0 is no way back to the host."""
    named = {**texts(config), _PLUGIN_ID: str(plugin_id)}
    if broker_id:
        named[_BROKER_ID] = str(broker_id)
    return pb.InitRequest(config=named, config_json=msgspec.json.encode(config))


def configuration_from_wire(message: pb.InitRequest) -> Configuration:
    """Its inverse."""
    named = dict(message.config)
    plugin_id, broker_id = _number(named.pop(_PLUGIN_ID, "")), _number(named.pop(_BROKER_ID, ""))
    given = message.config_json
    values = msgspec.json.decode(given, type=dict[str, Any]) if given else None
    return Configuration(named, values, plugin_id, broker_id)


def description_to_wire(plugin: BasePlugin[Any]) -> Description:
    """What a plugin's class says."""
    kind = type(plugin)
    collecting = overridden(kind, DataCollector) if isinstance(plugin, DataCollector) else []
    return Description(
        name=text(plugin.name),
        version=text(plugin.version),
        description=text(plugin.description),
        hooks=list(hooks_of(kind)),
        handles_chunks=isinstance(plugin, ResponseHandler) and plugin.handles_chunks,
        has_endpoints=isinstance(plugin, CustomEndpointHandler),
        receives_payloads=isinstance(plugin, EdgePayloadReceiver),
        collects=[event for event, method in _COLLECTS.items() if method in collecting],
        is_session_aware=isinstance(plugin, SessionAware),
    )


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() else 0
