"""Everything that one plugin's server answers, and the scope that each call needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import grpc

from sluice.plugin_host.broker.events import Events
from sluice.plugin_host.broker.guard import Behaviour, Guard
from sluice.plugin_host.broker.keys import Keys
from sluice.plugin_host.broker.management import Management
from sluice.plugin_wire.rpc import HOST_EXTENSIONS, MANAGEMENT, PLUGIN_EVENTS, Service, handler_of
from sluice.sdk.services import Scope, Services

SCOPES: Mapping[str, Scope | None] = {
    "ListLLMs": "llms.read",
    "GetLLM": "llms.read",
    "ListApps": "apps.read",
    "GetApp": "apps.read",
    "GetBudgetStatus": "budget.read",
    "ListModelPrices": "pricing.read",
    "GetModelPrice": "pricing.read",
    "ValidateCredential": "credentials.validate",
    "WritePluginKV": "kv.readwrite",
    "ReadPluginKV": "kv.readwrite",
    "DeletePluginKV": "kv.readwrite",
    "ListKeys": "kv.readwrite",
    "QueueControlPayload": "control.send",
    "GetLicenseInfo": None,
    "Publish": None,
    "Subscribe": None,
    "Unsubscribe": None,
}
"""What a call needs, whatever its request says that it needs."""


def handlers(
    services: Services, scopes: Collection[Scope], plugin_id: int, plugin: str
) -> Sequence[grpc.GenericRpcHandler]:
    """For the one server that this plugin is told of; ``scopes`` are those that its registration grants."""
    guard = Guard(plugin_id, plugin, frozenset(scopes))
    management, keys, events = Management(services), Keys(services), Events(services)
    return [
        _handler(
            guard,
            MANAGEMENT,
            {
                "ListLLMs": management.list_llms,
                "GetLLM": management.get_llm,
                "ListApps": management.list_apps,
                "GetApp": management.get_app,
                "GetBudgetStatus": management.get_budget_status,
                "ListModelPrices": management.list_model_prices,
                "GetModelPrice": management.get_model_price,
                "ValidateCredential": management.validate_credential,
                "WritePluginKV": keys.write,
                "ReadPluginKV": keys.read,
                "DeletePluginKV": keys.delete,
                "QueueControlPayload": management.queue_control_payload,
                "GetLicenseInfo": management.get_license_info,
            },
        ),
        _handler(
            guard,
            PLUGIN_EVENTS,
            {
                "Publish": events.publish,
                "Subscribe": events.subscribe,
                "Unsubscribe": events.unsubscribe,
            },
        ),
        _handler(guard, HOST_EXTENSIONS, {"ListKeys": keys.list}),
    ]


def _handler(guard: Guard, service: Service, behaviours: Mapping[str, Behaviour]) -> Any:
    return handler_of(
        service, {name: guard.guarded(name, SCOPES[name], behaviour) for name, behaviour in behaviours.items()}
    )
