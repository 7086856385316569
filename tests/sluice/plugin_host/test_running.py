"""A plugin is the same to its host wherever it runs; what it does not have does nothing."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.plugin_host.local import LocalPlugin
from sluice.plugin_host.running import Condition, Described, RunningPlugin
from sluice.sdk.testing import make_context
from tests.sluice.plugin_host.plugins import Limit


class Silent(LocalPlugin):
    """Has the defaults of the interface, whatever the plugin is."""

    get_app_by_credential = RunningPlugin.get_app_by_credential
    get_user_by_credential = RunningPlugin.get_user_by_credential
    get_endpoint_registrations = RunningPlugin.get_endpoint_registrations
    handle_batch = RunningPlugin.handle_batch


async def test_what_a_plugin_does_not_say_is_nothing() -> None:
    """It knows nobody, answers to no path and takes no batches."""
    plugin: Any = Silent(Limit("limit"))
    assert await plugin.get_app_by_credential(make_context(), "x") is None
    assert await plugin.get_user_by_credential(make_context(), "x") is None
    assert await plugin.get_endpoint_registrations() == ()
    with pytest.raises(TypeError, match="limit takes no batches"):
        await plugin.handle_batch(make_context(), "analytics", None)


def test_a_plugin_that_says_little_promises_nothing() -> None:
    """No capability is assumed; one that says nothing of its condition is well."""
    described = Described(name="a")
    assert not any(
        (described.handles_chunks, described.has_endpoints, described.authenticates, described.receives_payloads,
         described.collects, described.collects_batches, described.hooks)
    )  # fmt: skip
    assert (described.where, described.pid, described.config_schema) == ("in_process", None, None)
    assert (Condition().status, Condition().restarts) == ("ready", 0)


def test_every_method_must_be_there() -> None:
    """A kind of process that forgets one is no plugin."""

    class Half(RunningPlugin):
        """Forgets nearly everything."""

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]
