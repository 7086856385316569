"""One plugin's place in the chain of a hook."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sluice.plugin_host.gate import Gate
from sluice.plugin_host.registration import OnOversize, OnStream
from sluice.plugin_host.running import Handler
from sluice.plugin_host.tally import Tally
from sluice.sdk.capabilities import Hook
from sluice.sdk.context import Runtime
from sluice.sdk.services import Services

if TYPE_CHECKING:
    from sluice.plugin_host.running import RunningPlugin

_QUIET_SECONDS = 10.0  # between two log lines of one failing plugin: it fails once for each exchange


@dataclass(slots=True)
class Quiet:
    """Lets one line of a series into the log, and says how many were kept out before it."""

    _until: float = 0.0
    _kept_out: int = 0

    def unlogged(self) -> int | None:
        """How many were not logged before this one; ``None`` where this one is not to be logged either."""
        now = time.monotonic()
        if now < self._until:
            self._kept_out += 1
            return None
        self._until = now + _QUIET_SECONDS
        kept_out, self._kept_out = self._kept_out, 0
        return kept_out


@dataclass(slots=True)
class Link:
    """What a chain needs to call a plugin. Copies for other places share gate, tally and log."""

    plugin: str
    hook: Hook
    handler: Handler
    services: Services
    timeout_seconds: float
    fails_open: bool
    runtime: Runtime = "gateway"
    key: str = ""
    """Of the instance: whose ``ctx.state`` it is."""
    app_id: int | None = None
    """The attachment's own: the app of who is authenticated and of whom no app is known."""
    on_stream: OnStream = "buffer"
    on_oversize: OnOversize = "refuse"
    handles_chunks: bool = False
    running: RunningPlugin | None = None
    """Whom ``auth`` asks for apps and users; ``None`` knows none."""
    gate: Gate = field(default_factory=Gate)
    """Shared by all hooks of the plugin."""
    tally: Tally = field(default_factory=Tally)
    _failing: Quiet = field(default_factory=Quiet)
    _shut: Quiet = field(default_factory=Quiet)
    _blocking: Quiet = field(default_factory=Quiet)

    @property
    def failures(self) -> int:
        """Since the start."""
        return self.tally.failures

    def count_failure(self, reason: str) -> None:
        """Count it, and log the first of a series with how many were not logged before it."""
        self.tally.failures += 1
        unlogged = self._failing.unlogged()
        if unlogged is not None:
            self.services.logger.warning(
                "plugin failed", hook=self.hook, reason=reason, skipped=self.fails_open, failures_not_logged=unlogged
            )

    def count_not_called(self, reason: str) -> None:
        """Count an exchange that found the gate shut, and log the first of a series."""
        self.tally.not_called += 1
        unlogged = self._shut.unlogged()
        if unlogged is not None:
            self.services.logger.warning(
                "plugin not called", hook=self.hook, reason=reason, skipped=self.fails_open, times_not_logged=unlogged
            )

    def count_blocked_loop(self, micros: int) -> None:
        """It kept the loop, and with it every exchange of the worker, for so long: that cannot be cut short."""
        self.tally.blocked_loop += 1
        unlogged = self._blocking.unlogged()
        if unlogged is not None:
            self.services.logger.warning(
                "plugin blocked the loop",
                hook=self.hook,
                milliseconds=micros // 1000,
                remedy="use async clients, or asyncio.to_thread for what computes",
                times_not_logged=unlogged,
            )

    def skip_stream(self) -> None:
        """Count a stream that passed by it (``on_stream: skip``)."""
        self.tally.skipped_streams += 1
