"""Plugins that run: what is shown of them."""

from __future__ import annotations

from typing import Any

from gateway.control.api.plugin_views import InstanceView, by_plugin, state_of, summary_of
from sluice.plugin_host.health import PluginHealth
from sluice.plugin_host.tally import HookFigures


def instance(status: Any, plugin_id: int = 1) -> PluginHealth:
    """One of a plugin's."""
    return PluginHealth(str(plugin_id), plugin_id, "x", status, "", status == "ready", 0, 0, 0)


def test_a_plugin_is_as_well_as_its_worst_instance() -> None:
    """None at all is unknown, which nobody waits for."""
    assert state_of([]) == "unknown"
    assert state_of([instance("ready"), instance("failed")]) == "failed"
    assert state_of([instance("ready")]) == "ready"
    assert summary_of(["ready", "unknown"]).all_ready
    assert not summary_of(["ready", "failed"]).all_ready
    assert {
        key: len(found)
        for key, found in by_plugin([instance("ready", 1), instance("ready", 2), instance("failed", 1)]).items()
    } == {1: 2, 2: 1}
    assert state_of([instance("ready"), instance("loading")]) == "loading"
    assert not summary_of(["ready", "loading"]).all_ready


def test_an_instance_shows_what_its_hooks_did() -> None:
    """Every figure, under the hook's name."""
    found = PluginHealth(
        "1", 1, "x", "ready", "", True, 0, 0, 0, figures={"post_auth": HookFigures(calls=3, p99_micros=7)}
    )
    (hook,) = InstanceView.of(found).hooks
    assert (hook.hook, hook.calls, hook.p99_micros) == ("post_auth", 3, 7)
