"""What is counted, and once in a while logged, of the calls of one plugin's endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.plugin_host.link import Quiet
from sluice.plugin_host.tally import Tally

if TYPE_CHECKING:
    from sluice.plugin_host.loaded import LoadedPlugin

HOOK = "endpoint"
"""What timings and logs call it."""
_BLOCKED_NS = 100_000_000
"""A call that keeps the loop for longer is told of, as a hook is."""


class Account:
    """Of one life of a plugin."""

    def __init__(self, plugin: LoadedPlugin) -> None:
        self.tally = Tally()
        self._logger = plugin.services.logger
        self._quiet = Quiet()

    def failed(self, reason: str) -> None:
        """It raised, hung or answered nonsense."""
        self.tally.failures += 1
        self._warn("plugin failed", reason=reason)

    def not_called(self, reason: str) -> None:
        """Its gate was shut."""
        self.tally.not_called += 1
        self._warn("plugin not called", reason=reason)

    def held_loop(self, held_ns: int) -> None:
        """It kept every exchange of the worker waiting for so long, which cannot be cut short."""
        if held_ns > _BLOCKED_NS:
            self.tally.blocked_loop += 1
            remedy = "use async clients, or asyncio.to_thread for what computes"
            self._warn("plugin blocked the loop", milliseconds=held_ns // 1_000_000, remedy=remedy)

    def _warn(self, event: str, **values: object) -> None:
        """The first of a series: a plugin that is broken fails once for each exchange."""
        unlogged = self._quiet.unlogged()
        if unlogged is not None:
            self._logger.warning(event, hook=HOOK, **values, times_not_logged=unlogged)
