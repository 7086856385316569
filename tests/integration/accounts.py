"""What each side says of the same exchanges: clients, the scripted vendor, sinks, Kafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from schemas.events import Kind
from sluice.dev.vendor import Served

Ending = Literal["complete", "broken", "left", "refused"]
"""``complete``: the client saw the last byte. ``broken``: the connection broke, or fell silent, on the client.
``left``: the client itself left. ``refused``: nobody listened, so the gateway never saw it."""

Document = Mapping[str, Any]
Documents = Mapping[Kind, Sequence[Document]]


@dataclass(slots=True)
class Exchanged:
    """One exchange as its client saw it."""

    request_id: str
    case: str
    ending: Ending
    knows_app: bool
    """Whether the exchange belongs to an app, by what the client sent and what it was answered."""
    outcomes: frozenset[str] = frozenset(("ok",))
    """What may become of it where it is complete."""
    exchange_id: str = ""
    """Empty where the client never saw it."""
    status: int = 0
    sent_bytes: int = 0
    """The request's body as it goes to the vendor; 0 where that is not known."""
    received_tokens: int = 0
    """What the estimate rule makes of what the client received."""
    max_tokens: int | None = None
    at: float = 0.0
    """Monotonic seconds of its end."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """Nanos per million tokens."""

    prompt: int
    response: int
    cache_read: int

    def cost(self, prompt: int, response: int, cached: int = 0) -> int:
        """Nanos, in exact arithmetic of the test's own, rounded half-even once."""
        total = (prompt - cached) * self.prompt + cached * self.cache_read + response * self.response
        return round(Fraction(total, 1_000_000))


@dataclass(frozen=True, slots=True)
class Ledger:
    """All accounts of one run, to be compared."""

    clients: Sequence[Exchanged]
    vendor: Sequence[Served]
    sinks: Mapping[str, Documents]
    """By the sink's name; every one of them has to show the same."""
    price: Price
    records: Documents | None = None
    """What lies on Kafka, repeated where the relay sent twice; ``None`` where there is none."""
    dead_letters: int = 0
    interrupted: Literal["reserved", "seen"] = "reserved"
    default_output_tokens: int = 4096


@dataclass(slots=True)
class Recorded:
    """One exchange as a sink shows it."""

    exchange_id: str
    events: dict[Kind, Document] = field(default_factory=dict)

    def get(self, name: str) -> Any:
        """A field that its events share, from the proxy log where there is one."""
        return (self.events.get("proxy_log") or next(iter(self.events.values())))[name]


def tokens_of_bytes(size: int) -> int:
    """The estimate rule: a token for each four bytes begun."""
    return (size + 3) // 4
