"""What passed in the last minute: a ring of twenty buckets in a row of the shared table.

The bucket under way and the nineteen before it are summed up, and nineteen are sixty seconds: whatever sixty seconds
are looked at, never more than the limit was admitted in them. The price is that a caller who never pauses gets the
limit in each 63 seconds. Time is the host's monotonic clock, which all its processes share and nobody can set; it
begins anew when the host does, and a row that is far ahead of it is of an earlier life.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from gateway.access.shared_table import FIRST_WORD

if TYPE_CHECKING:
    from gateway.access.shared_table import SharedTable

WINDOW_NS = 60_000_000_000
BUCKETS = 20
BUCKET_NS = -(-WINDOW_NS // (BUCKETS - 1))
REFUSED = -1
_MAX_COUNT = (1 << 32) - 1
_ring_of = struct.Struct(f"={BUCKETS}I").unpack_from
_count = struct.Struct("=I")
_WORD, _COUNT = 8, 4


class Rates:
    """The rings of a table's rows. Everything here is called under the table's lock; ``nanos`` is the present."""

    def __init__(self, table: SharedTable) -> None:
        self._table = table
        self._words = table.words

    def take(self, row: int, nanos: int, amount: int, limit: int) -> int:
        """Count something, where it fits the limit; returns the number of its bucket, or ``REFUSED``."""
        words = self._words
        at = self._table.at(row) + FIRST_WORD
        tick = nanos // BUCKET_NS
        if words[at] != tick:
            tick = self._turn(at, tick)
        place = (at + 1) * _WORD
        ring = _ring_of(words, place)
        if sum(ring) + amount > limit:
            return REFUSED
        bucket = tick % BUCKETS
        _count.pack_into(words, place + bucket * _COUNT, ring[bucket] + amount)
        return tick

    def used(self, row: int, nanos: int) -> int:
        """How much the window has in it."""
        at = self._table.at(row) + FIRST_WORD
        self._turn(at, nanos // BUCKET_NS)
        return sum(_ring_of(self._words, (at + 1) * _WORD))

    def correct(self, row: int, tick: int, amount: int) -> None:
        """Change what was counted in a bucket, where it is still in the window; never below zero."""
        at = self._table.at(row) + FIRST_WORD
        if 0 <= self._words[at] - tick < BUCKETS:
            place = (at + 1) * _WORD + tick % BUCKETS * _COUNT
            (count,) = _count.unpack_from(self._words, place)
            _count.pack_into(self._words, place, min(max(count + amount, 0), _MAX_COUNT))

    def seconds_until(self, row: int, nanos: int, room: int) -> int:
        """In how many whole seconds ``room`` will have left the window, if nothing comes in; at least one."""
        at = self._table.at(row) + FIRST_WORD
        latest = self._words[at]
        ring = _ring_of(self._words, (at + 1) * _WORD)
        left = 0
        for tick in range(latest - BUCKETS + 1, latest + 1):
            left += ring[tick % BUCKETS]
            if left >= room:
                break
        else:
            tick = latest
        return max(1, -(-((tick + BUCKETS) * BUCKET_NS - nanos) // 1_000_000_000))

    def _turn(self, at: int, tick: int) -> int:
        """Empty the buckets that come round, then write the tick: after a kill in between that is done again."""
        latest = self._words[at]
        ahead = latest - tick
        if 0 <= ahead < BUCKETS:  # another process looked at the clock later, and was here sooner
            return latest
        oldest = tick - BUCKETS + 1
        for passed in range(oldest if ahead > 0 else max(latest + 1, oldest), tick + 1):
            _count.pack_into(self._words, (at + 1) * _WORD + passed % BUCKETS * _COUNT, 0)
        self._words[at] = tick
        return tick
