"""What gateways say they did: the reports of each boot, read from the log, and the sequence numbers that they claim.

A report's numbers are absolute and running. Where reading begins with the log itself (``begin_ms`` is 0) all of them
are looked for. What a boot numbered before the first record that is read is not looked
for: the first report that was appended behind it says how far that was, unless the boot began later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from collectors.jobs.interface import Origin, Ranges
from collectors.services.reconcile.boots import NAMES, Boots
from collectors.services.reconcile.sequences import MAX_SEQUENCE
from schemas.events import KINDS, Kind
from schemas.topics import Topics
from sluice.clock import micros_of
from sluice.eventlog.interface import Boot, PolledRecord
from sluice.eventlog.ranges import OffsetRange

_SETTLED_MS = 60_000
"""A relay sends topics side by side: what a report claims may be appended a little later than the report."""
_MAX_NAME = 1_024


@dataclass(slots=True)
class Reported:
    """What one boot said, put together."""

    first: dict[Kind, int] = field(default_factory=dict)
    """The last numbers of its earliest report that is behind the first record that is read."""
    last: dict[Kind, int] = field(default_factory=dict)
    reported_at_ms: int = 0
    """When its newest report was appended."""
    began_later: bool = False
    """Than the first record that is read: then its numbers begin with 1."""
    unrecorded: int = 0
    drops: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Reports:
    """Of all boots, by their numbers in ``Boots``."""

    boots: dict[int, Reported] = field(default_factory=dict)
    garbage: int = 0
    """Records of the topic that are no report."""

    def add(self, body: Mapping[str, Any], appended_at_ms: int, begin_ms: int, boots: Boots) -> None:
        """Take one in, of which nothing is known to be wrong; ValueError where it is no report."""
        boot, numbers, began = _boot(body), _numbers(body), _began(body)
        unrecorded, drops = _count(body.get("unrecorded", 0)), _drops(body)
        reported = self.boots.setdefault(boots.number(boot), Reported())
        if appended_at_ms >= begin_ms + _SETTLED_MS and not reported.first:
            reported.first = dict(numbers)
        for kind, number in numbers.items():
            reported.last[kind] = max(number, reported.last.get(kind, 0))
        is_later = not begin_ms or began >= (begin_ms + _SETTLED_MS) * 1_000
        reported.began_later = reported.began_later or is_later
        reported.reported_at_ms = max(reported.reported_at_ms, appended_at_ms)
        reported.unrecorded = max(reported.unrecorded, unrecorded)
        for name, number in drops.items():
            reported.drops[name] = max(reported.drops[name], number)

    def claims(self, kind: Kind, boots_from_one: set[int]) -> list[tuple[int, int, int]]:
        """(boot, first, last) of the numbers that the log should have. ``boots_from_one`` are those whose first event
        was read."""
        found = []
        for boot, reported in self.boots.items():
            last = reported.last.get(kind, 0)
            begins_here = reported.began_later or boot in boots_from_one
            first = 1 if begins_here else reported.first.get(kind, last) + 1
            if first <= last:
                found.append((boot, first, last))
        return found


async def read_reports(origin: Origin, topics: Topics, begin_ms: int, boots: Boots) -> Reports:
    """All that were appended since. Raises EventLogError."""
    name = topics.gateway_report.name
    everything = await origin.ranges([name])
    reports = Reports()
    async for _, records in origin.read(await since(origin, everything, begin_ms), [name]):
        for record in records:
            _take(reports, record, begin_ms, boots)
    return reports


async def since(origin: Origin, ranges: Ranges, begin_ms: int) -> dict[Any, OffsetRange]:
    """What of these was appended at a moment or later."""
    firsts = await origin.offsets_at(ranges, begin_ms) if begin_ms > 0 else {}
    return {each: OffsetRange(firsts.get(each, found.first), found.end) for each, found in ranges.items()}


def _take(reports: Reports, record: PolledRecord, begin_ms: int, boots: Boots) -> None:
    try:
        body = orjson.loads(record.value or b"")
        reports.add(body, record.timestamp, begin_ms, boots)
    except (ValueError, TypeError, AttributeError):
        reports.garbage += 1


def _boot(body: Mapping[str, Any]) -> Boot:
    names = [body.get(name) for name in NAMES]
    texts = [name for name in names if isinstance(name, str) and 0 < len(name) <= _MAX_NAME]
    if len(texts) < len(names):
        message = "names no boot"
        raise ValueError(message)
    return Boot(*texts)


def _numbers(body: Mapping[str, Any]) -> dict[Kind, int]:
    found = body.get("last_sequences")
    if not isinstance(found, dict):
        message = "has no last_sequences"
        raise ValueError(message)  # noqa: TRY004 - it came from outside
    return {kind: _count(found.get(kind, 0)) for kind in KINDS}


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEQUENCE:
        message = "is no count"
        raise ValueError(message)
    return value


def _drops(body: Mapping[str, Any]) -> dict[str, int]:
    found = body.get("drops")
    return {str(name)[:_MAX_NAME]: _count(number) for name, number in found.items()} if isinstance(found, dict) else {}


def _began(body: Mapping[str, Any]) -> int:
    """When the boot began, in microseconds; 0 where an older gateway does not say it."""
    text = body.get("started_at")
    if not isinstance(text, str):
        return 0
    return micros_of(datetime.fromisoformat(text))


def summary(reports: Reports) -> Sequence[str]:
    """What operators should know beside the numbers."""
    notes = []
    if reports.garbage:
        notes.append(f"{reports.garbage} records of the report topic are no reports: who publishes there?")
    unrecorded = sum(each.unrecorded for each in reports.boots.values())
    if unrecorded:
        notes.append(f"gateways report {unrecorded} exchanges that they could not record: they have no events at all")
    drops: Counter[str] = Counter()
    for each in reports.boots.values():
        drops.update(each.drops)
    lost = {name: number for name, number in drops.items() if number}
    if lost:
        notes.append("gateways report as dropped: " + ", ".join(f"{name} {number}" for name, number in lost.items()))
    return notes
