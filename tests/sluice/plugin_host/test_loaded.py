"""A loaded plugin knows what its calls need, in an exchange and outside of one."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.plugin_host.loaded import LoadedPlugin
from sluice.plugin_host.local import LocalPlugin
from sluice.plugin_host.registration import Instance, PluginRegistration
from sluice.sdk import BasePlugin, Context, DataCollector
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.testing import RecordingServices
from tests.sluice.plugin_host.plugins import NoHook


class Collector(BasePlugin, DataCollector):
    """Takes what happens."""

    async def handle_proxy_log(self, ctx: Context, log: Any) -> Any:
        return None


def loaded(plugin: BasePlugin[Any], **values: Any) -> LoadedPlugin:
    """A plugin of a gateway."""
    registration = PluginRegistration.model_validate({"id": 3, "name": "a", "command": "a.py", **values})
    return LoadedPlugin(
        instance=Instance("3@1.all.1", registration),
        registration=registration,
        running=LocalPlugin(plugin),
        services=RecordingServices(),
        runtime="studio",
        edge_id="edge-1",
        edge_namespace="eu",
    )


def test_a_call_outside_exchanges_knows_where_it_is() -> None:
    """The gateway's name, the runtime and the plugin's own services; no exchange, no app, and nothing kept of it."""
    plugin = loaded(NoHook())
    context = plugin.context()
    assert (context.edge_id, context.edge_namespace, context.runtime) == ("edge-1", "eu", "studio")
    assert (context.exchange_id, context.app_id, context.services) == ("", None, plugin.services)
    context.state["n"] = 1
    assert plugin.context().state == {}


def test_a_call_may_bring_what_is_known() -> None:
    """Of a request to an endpoint, say; two calls of it share their state."""
    plugin, facts = loaded(NoHook()), ExchangeFacts(request_id="r-1", app_id=7)
    plugin.context(facts).state["n"] = 1
    context = plugin.context(facts)
    assert (context.request_id, context.app_id, context.edge_id, context.state) == ("r-1", 7, "edge-1", {"n": 1})


def test_it_is_called_by_its_registration() -> None:
    """Which need not be what its author called it."""
    plugin = loaded(NoHook("b"))
    assert (plugin.name, plugin.plugin_id, plugin.key) == ("a", 3, "3@1.all.1")


@pytest.mark.parametrize(("hook_types", "collects"), [([], True), (["data_collection"], True), (["post_auth"], False)])
def test_events_go_where_the_operator_lets_them(hook_types: list[str], collects: bool) -> None:
    """And to nobody who does not take any."""
    assert loaded(Collector(), hook_types=hook_types).collects == collects
    assert not loaded(NoHook(), hook_types=hook_types).collects
