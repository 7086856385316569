"""What is counted of endpoints, and that a broken plugin does not fill the log."""

from __future__ import annotations

from gateway.plugin_endpoints.account import Account
from sluice.sdk.testing import RecordingServices
from tests.gateway.plugin_endpoints.loaded_plugins import loaded_plugin


def test_failures_are_counted_and_the_first_of_a_series_is_logged() -> None:
    """Each counts; the log has one line of many, with the hook and the reason."""
    plugin = loaded_plugin()
    services = plugin.services = RecordingServices()
    account = Account(plugin)
    for _ in range(100):
        account.failed("raised ValueError")
        account.not_called("its breaker is open")
        account.held_loop(99_000_000)
        account.held_loop(101_000_000)
    assert (account.tally.failures, account.tally.not_called, account.tally.blocked_loop) == (100, 100, 100)
    (entry,) = services.logger.entries
    assert (entry.level, entry.event) == ("warning", "plugin failed")
    assert entry.values == {"hook": "endpoint", "reason": "raised ValueError", "times_not_logged": 0}


def test_a_call_that_kept_the_loop_is_told_of_with_a_remedy() -> None:
    """Whoever wrote the plugin learns what to do instead."""
    plugin = loaded_plugin()
    services = plugin.services = RecordingServices()
    Account(plugin).held_loop(250_000_000)
    (entry,) = services.logger.entries
    assert (entry.event, entry.values["milliseconds"]) == ("plugin blocked the loop", 250)
    assert "asyncio.to_thread" in entry.values["remedy"]
