"""Two members with one ``group_instance_id``: a broker throws each out for the other, and neither is told why."""

from __future__ import annotations

from collections import deque

from sluice.eventlog.interface import EventLogError, Subscription

_MOST = 6
_HEARTBEATS = 20
"""Twins throw each other out every other heartbeat; groups that grow or shrink settle far less often."""


class Twins:
    """Counts how often a static member was given its partitions anew."""

    def __init__(self, subscription: Subscription, heartbeat_seconds: float) -> None:
        self._subscription = subscription
        self._window_seconds = _HEARTBEATS * heartbeat_seconds
        self._assigned_at: deque[float] = deque(maxlen=_MOST)

    def assigned(self, now: float) -> None:
        """Told at each assignment; ``now`` is monotonic."""
        if self._subscription.group_instance_id:
            self._assigned_at.append(now)

    def check(self, now: float) -> None:
        """Raise EventLogError where this looks like twins; counting begins again then."""
        if len(self._assigned_at) < _MOST or now - self._assigned_at[0] > self._window_seconds:
            return
        seconds = now - self._assigned_at[0]
        self._assigned_at.clear()
        name, group = self._subscription.group_instance_id, self._subscription.group
        raise EventLogError(
            f"group {group} gave its member {name} partitions {_MOST} times in {seconds:.0f} s: if another process has "
            "the same kafka.group_instance_id, both read the same records; give each host or pod its own"
        )
