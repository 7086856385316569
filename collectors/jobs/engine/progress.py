"""How far a job is, as people see it: a bar, a rate, and the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from collectors.jobs.interface import Ranges
from collectors.operations.moments import ago
from collectors.operations.printing import Printer
from sluice.eventlog.interface import Partition

_SEGMENT_SHIFT = 32
_RECORDS_OF_SEGMENT = 1 << 20
_SHOW_SECONDS = 0.5
_RATE_SECONDS = 5.0


def _flat(offset: int) -> int:
    """A journal's offsets leap from segment to segment: each is taken for as long as the others."""
    segment, record = offset >> _SEGMENT_SHIFT, offset & ((1 << _SEGMENT_SHIFT) - 1)
    return segment * _RECORDS_OF_SEGMENT + min(record, _RECORDS_OF_SEGMENT - 1) if segment else record


class Progress:
    """Of a job's ranges. ``clock`` is monotonic, in seconds."""

    def __init__(self, ranges: Ranges, what: str, printer: Printer, clock: Callable[[], float]) -> None:
        self._firsts = {partition: _flat(wanted.first) for partition, wanted in ranges.items()}
        self.total = sum(_flat(wanted.end) - _flat(wanted.first) for wanted in ranges.values())
        """Offsets that there are to get behind."""
        self._what = what
        self._printer = printer
        self._clock = clock
        self._began_at = self._shown_at = self._rated_at = clock()
        self._rated_records = 0
        self._rate = 0.0
        self._began_done: int | None = None

    def show(self, next_offsets: Mapping[Partition, int], records: int) -> None:
        """So far it is, with so many records of this run read; not more often than eyes can follow."""
        now = self._clock()
        if now - self._shown_at < _SHOW_SECONDS:
            return
        self._shown_at = now
        if now - self._rated_at >= _RATE_SECONDS or not self._rate:
            self._rate = (records - self._rated_records) / max(now - self._rated_at, 1e-9)
            self._rated_at, self._rated_records = now, records
        done = self.done(next_offsets)
        if self._began_done is None:
            self._began_done = done
        self._printer.progress(min(done, max(0, self.total - 1)), self.total, self._text(done, now))

    def _text(self, done: int, now: float) -> str:
        """The rate is of late; the time left is by what this run got through so far."""
        got = done - (self._began_done or 0)
        left = ago((now - self._began_at) * (self.total - done) / got) if got > 0 else "?"
        return f"{self._what} {self._rate:,.0f}/s, {left} left"

    def done(self, next_offsets: Mapping[Partition, int]) -> int:
        """How many offsets are behind it."""
        return sum(max(0, _flat(offset) - self._firsts.get(each, 0)) for each, offset in next_offsets.items())

    def end(self) -> None:
        """It is done: the line of the bar ends."""
        self._printer.progress(self.total, self.total, self._what)
