"""``--rate``: how fast a job may go."""

from __future__ import annotations

from collections.abc import Callable

_STEPS_A_SECOND = 10
_NO_BOUND = 1 << 30


class Pace:
    """So many events a second at most, over any longer while; 0 is no bound. ``clock`` is monotonic, in seconds.

    What was taken is paid for before more is: at most a tenth of a second's worth comes at once.
    """

    def __init__(self, events_a_second: float, clock: Callable[[], float]) -> None:
        self._rate = events_a_second
        self._clock = clock
        self._due_at = clock()
        self.most_at_once = max(1, int(events_a_second / _STEPS_A_SECOND)) if events_a_second else _NO_BOUND
        """Records that may be taken in one go."""

    def spend(self, events: int) -> None:
        """So many were taken, of those that count."""
        if self._rate and events:
            self._due_at = max(self._due_at, self._clock()) + events / self._rate

    @property
    def seconds_left(self) -> float:
        """Until more may be taken."""
        return max(0.0, self._due_at - self._clock()) if self._rate else 0.0
