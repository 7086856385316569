"""What stores are asked for."""

from __future__ import annotations

from sluice.eventstore.panels.cells import Pass
from sluice.eventstore.panels.query import Measure


def test_a_pass_by_currency_has_it_as_its_last_key() -> None:
    """The keys are the split's, then the currency; steps of plugins are read from proxy logs."""
    asked = Pass("plugin_step", 0, 1, (), (Measure(),), ("plugin", "hook"), by_currency=True)
    assert (asked.keys, asked.events) == (("plugin", "hook", "currency"), "proxy_log")
    assert Pass("budget", 0, 1, (), (Measure(),), ("app_id",)).keys == ("app_id",)
