"""What a traced exchange carries while it is under way: who it is in its trace, and when its steps began.

Lengths of hooks and attempts are noted for every exchange; only when they began is not. A traced one's lists note that
too, so that no other exchange pays for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

ItemT = TypeVar("ItemT", bound="Mapping[str, object]")


class Trace(msgspec.Struct):
    """One exchange in its trace. Ids are lower-case hex, as on the wire; times monotonic nanoseconds, 0 is never."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    """The span of the client's that asked; empty where the trace begins here."""
    flags: int = 1
    tracestate: str = ""
    accepted_ns: int = 0
    """The request was read."""
    settled_ns: int = 0
    """Its outcome was counted, and its record began."""

    @property
    def traceparent(self) -> str:
        """What is sent upstream and stored: whoever continues the trace is a child of this exchange."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


class TimedList(list[ItemT], Generic[ItemT]):
    """Entries with ``micros`` that are appended when what they tell of ends; ``starts_ns`` says when each began."""

    __slots__ = ("_clock_ns", "starts_ns")

    def __init__(self, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__()
        self._clock_ns = clock_ns
        self.starts_ns: list[int] = []

    def append(self, item: ItemT) -> None:
        """Its ``micros`` may grow later (a stream's pieces): it began when the first of them did."""
        micros = item["micros"]
        self.starts_ns.append(self._clock_ns() - (micros if isinstance(micros, int) else 0) * 1_000)
        super().append(item)
