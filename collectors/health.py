"""How a service stands: what keeps it from working, said once when it begins and once when it ends.

A **halt** stops the intake until somebody changed something; a **trouble** passes by itself. Either makes the service
unready. Both are kept by who found them (``sink``, ``event log``, …), so that one that ends does not hide another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from collectors.errors import Halt

_log = structlog.get_logger(__name__)

PAUSED = "paused"

LIVE_SECONDS = 10.0
"""A loop that has not come round for longer is not alive."""

AlertListener = Callable[[str, str, dict[str, str]], None]
"""Told the kind of an alert, its sentence and its facts."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What one part of a service suffers from."""

    reason: str
    is_halt: bool


class Health:
    """Of one service. ``clock`` is monotonic, in seconds."""

    def __init__(self, service: str, clock: Callable[[], float], alert: AlertListener | None = None) -> None:
        self._service = service
        self._clock = clock
        self._alert = alert
        self._troubles: dict[str, Trouble] = {}
        self._ticked_at = clock()
        self._last: tuple[str, str, float] | None = None
        self.is_paused = False
        """Whether an operator wants nothing taken in; what is in flight is finished, and the membership kept."""
        self.parts: tuple[frozenset[str], ...] = ()
        """The places of each part of which one may be halted while the others go on; all at once halt the intake."""
        self.is_running = False
        """Whether the service takes records in: not while it starts or stops."""

    def tick(self) -> None:
        """The intake has come round."""
        self._ticked_at = self._clock()

    def halt(self, where: str, cause: Halt) -> None:
        """Nothing can be done here until somebody acts."""
        self._begin(where, Trouble(str(cause), is_halt=True))

    def trouble(self, where: str, reason: str) -> None:
        """Something does not work here now."""
        self._begin(where, Trouble(reason, is_halt=False))

    def _begin(self, where: str, trouble: Trouble) -> None:
        before = self._troubles.get(where)
        self._troubles[where] = trouble
        self._last = (where, trouble.reason, self._clock())
        if before is not None and before.is_halt == trouble.is_halt:
            return
        _log.error(
            "service halted" if trouble.is_halt else "service in trouble",
            service=self._service,
            where=where,
            reason=trouble.reason,
        )
        if trouble.is_halt and self._alert is not None:
            message = f"service {self._service} is halted ({where}): {trouble.reason}"
            self._alert("service_halted", message, {"where": where, "reason": trouble.reason})

    def clear(self, where: str) -> None:
        """It works here."""
        if self._troubles.pop(where, None) is not None:
            _log.info("service recovered", service=self._service, where=where)

    def has(self, where: str) -> bool:
        """Whether something is wrong there."""
        return where in self._troubles

    def is_halted_at(self, where: str) -> bool:
        """Whether a halt stands there."""
        trouble = self._troubles.get(where)
        return trouble is not None and trouble.is_halt

    @property
    def is_halted(self) -> bool:
        """Whether anything waits for somebody to act."""
        return any(trouble.is_halt for trouble in self._troubles.values())

    @property
    def stops_intake(self) -> bool:
        """Whether nothing more must be taken in: what goes on beside a halted part is bounded by the flow alone."""
        if self.is_paused:
            return True
        halted = {where for where, trouble in self._troubles.items() if trouble.is_halt}
        stands_still = bool(self.parts) and all(halted & part for part in self.parts)
        return stands_still or bool(halted.difference(*self.parts))

    @property
    def is_ready(self) -> bool:
        """Whether records flow."""
        return self.is_running and not self.is_paused and not self._troubles

    @property
    def is_live(self) -> bool:
        """Whether the intake came round lately."""
        return self._clock() - self._ticked_at <= LIVE_SECONDS

    @property
    def causes(self) -> dict[str, str]:
        """Where → why, of everything that is wrong now."""
        paused = {PAUSED: "an operator paused it; resume it with sluice collectors"} if self.is_paused else {}
        return paused | {where: trouble.reason for where, trouble in self._troubles.items()}

    def pause(self) -> None:
        """Take nothing more in, until ``resume``. Twice is once."""
        if not self.is_paused:
            _log.warning("service paused", service=self._service)
        self.is_paused = True

    def resume(self) -> None:
        """Go on."""
        if self.is_paused:
            _log.warning("service resumed", service=self._service)
        self.is_paused = False

    @property
    def last_trouble(self) -> tuple[str, str, float] | None:
        """Where, why and how many seconds ago something last went wrong, whether it still does or not."""
        return None if self._last is None else (*self._last[:2], max(0.0, self._clock() - self._last[2]))
