"""Plugins as if a host had loaded them, for tests that need no host."""

from __future__ import annotations

from typing import Any

from sluice.plugin_host.gate import Gate
from sluice.plugin_host.loaded import LoadedPlugin
from sluice.plugin_host.local import LocalPlugin
from sluice.plugin_host.registration import Instance, PluginRegistration
from sluice.sdk import EndpointRegistration
from sluice.sdk.testing import make_context
from tests.gateway.plugin_endpoints.endpoint_plugins import Scripted


def loaded_plugin(*endpoints: EndpointRegistration, slug: str = "scripted", **gate: Any) -> LoadedPlugin:
    """``Scripted``, with these endpoints."""
    registration = PluginRegistration(id=1, name=slug, command="python://tests:Scripted")
    return LoadedPlugin(
        instance=Instance("1", registration),
        registration=registration,
        running=LocalPlugin(Scripted()),
        services=make_context().services,
        gate=Gate(**gate),
        endpoints=endpoints,
        slug=slug,
    )


def endpoint(path: str, *methods: str, **values: Any) -> EndpointRegistration:
    """A registration."""
    return EndpointRegistration(path=path, methods=methods or ("GET",), **values)
