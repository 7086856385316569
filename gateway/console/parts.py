"""What the console stands on, handed in by whoever opens it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.console.asking import Asking
    from gateway.console.collectors import Collectors
    from gateway.console.live import LiveFeed
    from gateway.console.names import Names
    from gateway.console.sessions import Sessions
    from gateway.control.api.services import ControlServices
    from sluice.eventstore.panels.interface import Panels
    from sluice.money.prices import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleParts:
    """Everything a page may use. The event store is the console's own: its connections are nobody else's."""

    services: ControlServices
    events: Panels
    asking: Asking
    sessions: Sessions
    live: LiveFeed
    collectors: Collectors
    names: Names
    price_of: Callable[[str], Price | None]
    """The price row that an event names, as it is now."""
