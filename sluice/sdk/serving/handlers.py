"""Everything that a plugin's process answers, by service and method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from sluice.plugin_wire.rpc import CONFIG_PROVIDER, PLUGIN, handler_of
from sluice.sdk.serving.collecting import Collecting
from sluice.sdk.serving.descriptions import Descriptions
from sluice.sdk.serving.endpoints import Endpoints
from sluice.sdk.serving.go_plugin import go_plugin_handlers
from sluice.sdk.serving.guard import Behaviour, guarded
from sluice.sdk.serving.hooks import Hooks
from sluice.sdk.serving.lifecycle import Lifecycle
from sluice.sdk.serving.served import Served
from sluice.sdk.serving.unserved import unserved


def handlers(served: Served) -> list[grpc.GenericRpcHandler]:
    """For one server."""
    lifecycle, descriptions = Lifecycle(served), Descriptions(served.plugin)
    config: dict[str, Behaviour] = {
        "GetConfigSchema": descriptions.config_schema,
        "GetManifest": descriptions.config_manifest,
        "Ping": lifecycle.ping_config,
    }
    streams = {"HandleEndpointRequestStream": Endpoints(served).request_stream}
    plugin = {**_all_guarded(_plugin_behaviours(served, lifecycle, descriptions), served), **streams, **unserved()}
    return [
        handler_of(PLUGIN, plugin),
        handler_of(CONFIG_PROVIDER, _all_guarded(config, served)),
        *go_plugin_handlers(served),
    ]


def _plugin_behaviours(served: Served, lifecycle: Lifecycle, descriptions: Descriptions) -> dict[str, Behaviour]:
    hooks, collecting, endpoints = Hooks(served), Collecting(served), Endpoints(served)
    return {
        "Initialize": lifecycle.initialize,
        "Ping": lifecycle.ping,
        "Shutdown": lifecycle.shutdown,
        "OpenSession": lifecycle.open_session,
        "CloseSession": lifecycle.close_session,
        "GetConfigSchema": descriptions.schema,
        "GetManifest": descriptions.manifest,
        "ProcessPreAuth": hooks.pre_auth,
        "Authenticate": hooks.auth,
        "GetAppByCredential": hooks.app_by_credential,
        "GetUserByCredential": hooks.user_by_credential,
        "ProcessPostAuth": hooks.post_auth,
        "OnBeforeWriteHeaders": hooks.response_headers,
        "OnBeforeWrite": hooks.response_body,
        "OnStreamComplete": hooks.stream_complete,
        "HandleProxyLog": collecting.proxy_log,
        "HandleAnalytics": collecting.analytics,
        "HandleBudgetUsage": collecting.budget,
        "AcceptEdgePayload": collecting.payload,
        "GetEndpointRegistrations": endpoints.registrations,
        "HandleEndpointRequest": endpoints.request,
    }


def _all_guarded(behaviours: dict[str, Behaviour], served: Served) -> dict[str, Callable[..., Any]]:
    return {name: guarded(name, behaviour, served) for name, behaviour in behaviours.items()}
