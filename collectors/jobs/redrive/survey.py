"""One look at all dead letters before any is given back: which are open, where each goes, and which are left.

A letter that names another (``dlq.redriven_from``) took that one's place. Whoever published it may have been killed
before it could mark the other: that one is settled all the same, and no second letter comes of it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from collectors.jobs.redrive.letters import Letter
from collectors.jobs.redrive.routing import Left, Routing, Target
from collectors.operations.log import Log
from collectors.operations.marks import Marks, letter_id, place_in
from schemas.events import KINDS, Kind
from schemas.topics import DLQ_SUFFIX
from sluice.eventlog.interface import Partition
from sluice.eventlog.places import COLLECTORS_FOLDER
from sluice.eventlog.ranges import OffsetRange


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant; empty is all."""

    kinds: tuple[Kind, ...] = ()
    reasons: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()
    from_ms: int = 0
    to_ms: int | None = None

    def fits(self, letter: Letter) -> bool:
        """By its reason and its id."""
        return (not self.reasons or letter.reason in self.reasons) and (not self.ids or letter.id in self.ids)


class Group(NamedTuple):
    """What letters are counted by."""

    reason: str
    collector: str
    kind: str
    redrives: int


Offsets = dict[Partition, "array[int]"]
"""The offsets of letters by where they lie, ascending."""


@dataclass(slots=True)
class Survey:
    """What was found."""

    looked_at: int = 0
    """Letters that are meant, settled or not."""
    size_bytes: int = 0
    """Of those that go somewhere."""
    settled: Counter[str] = field(default_factory=Counter)
    """By outcome, those that are settled."""
    left: dict[Left, Counter[Group]] = field(default_factory=dict)
    left_ids: dict[Left, str] = field(default_factory=dict)
    """The first letter of each."""
    seen_ids: set[str] = field(default_factory=set)
    """Of those that were named."""
    unmarked: list[str] = field(default_factory=list)
    """Letters whose place another took, and that bear no mark yet."""
    _chosen: dict[tuple[Target, Group], Offsets] = field(default_factory=dict)

    @property
    def matched(self) -> int:
        """How many go somewhere."""
        return sum(map(_count, self._chosen.values()))

    @property
    def chosen(self) -> dict[Target, Offsets]:
        """What each target is given."""
        found: dict[Target, Offsets] = {}
        for (target, _), offsets in self._chosen.items():
            own = found.setdefault(target, {})
            for partition, some in offsets.items():
                own[partition] = array("q", sorted(own[partition] + some)) if partition in own else some
        return found

    def choose(self, target: Target, group: Group, partition: Partition, offset: int) -> None:
        """This letter goes there."""
        found = self._chosen.setdefault((target, group), {}).setdefault(partition, array("q"))
        if found and found[-1] > offset:
            insort(found, offset)
        else:
            found.append(offset)

    def leave(self, left: Left, group: Group, letter: str) -> None:
        """This letter goes nowhere."""
        self.left.setdefault(left, Counter())[group] += 1
        self.left_ids.setdefault(left, letter)

    def withdraw(self, partition: Partition, offset: int) -> tuple[Target, Group] | None:
        """It goes nowhere; returns where it went, and what it is counted by."""
        for key, offsets in self._chosen.items():
            found = offsets.get(partition)
            if found is None:
                continue
            at = bisect_left(found, offset)
            if at < len(found) and found[at] == offset:
                del found[at]
                return key
        return None

    def given(self) -> Iterator[tuple[Target, Group, int]]:
        """How many of each group go to each target."""
        return ((target, group, _count(offsets)) for (target, group), offsets in self._chosen.items())

    def rows(self) -> list[dict[str, Any]]:
        """For a table: each group with where it goes, the most first."""
        ends: list[tuple[Group, str, int]] = [(group, _goes_to(target), count) for target, group, count in self.given()]
        for left, groups in self.left.items():
            ends += [(group, f"left: {left.code}", count) for group, count in groups.items()]
        rows = [{"count": count, **group._asdict(), "goes_to": end} for group, end, count in ends if count]
        return sorted(rows, key=lambda row: (-row["count"], *map(str, row.values())))


def _count(offsets: Offsets) -> int:
    return sum(map(len, offsets.values()))


def _goes_to(target: Target) -> str:
    return target.entries[0] if len(target.entries) == 1 else f"{target.service} ({', '.join(target.entries)})"


async def ranges_of(log: Log, kinds: Collection[Kind], from_ms: int = 0) -> dict[Partition, OffsetRange]:
    """Where dead letters of these kinds can lie, from a moment on. Raises EventLogError."""
    found = await log.ranges(topics_of(log, kinds), from_ms)
    if log.is_kafka:
        return found
    return {each: wanted for each, wanted in found.items() if each.topic.startswith(f"{COLLECTORS_FOLDER}/")}


def topics_of(log: Log, kinds: Collection[Kind]) -> tuple[str, ...]:
    """The topics of dead letters of these kinds, of all where none is named."""
    return tuple(log.topics.event(kind).name + DLQ_SUFFIX for kind in KINDS if not kinds or kind in kinds)


@dataclass(slots=True)
class Surveyor:
    """Looks at all letters once; memory grows with those that are chosen, some bytes each."""

    log: Log
    routing: Routing
    wanted: Wanted
    marks: Marks
    _survey: Survey = field(default_factory=Survey)
    _successors: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of the letters whose place others took: by collector who did."""
    _repeated: list[tuple[Partition, int]] = field(default_factory=list)
    """Of two letters that took one's place, for one collector, the later."""

    async def look(self, ranges: Mapping[Partition, OffsetRange], ends: Mapping[Partition, int]) -> Survey:
        """All of these ranges; letters at ``ends`` and behind are not meant, but seen. Raises EventLogError."""
        async for partition, records in self.log.read(ranges, topics_of(self.log, self.wanted.kinds)):
            end = ends.get(partition, 0)
            for record in records:
                letter = Letter.of(partition, record)
                self._note_successor(letter)
                if record.offset < end and self.wanted.fits(letter) and self.routing.concerns(letter):
                    self._place(letter)
        self._settle_repeated()
        self._settle_succeeded()
        return self._survey

    def _note_successor(self, letter: Letter) -> None:
        before = letter.text("redriven_from")
        if not before:
            return
        known = self._successors.setdefault(before, {})
        if letter.collector in known:
            self._repeated.append((letter.partition, letter.record.offset))
        known.setdefault(letter.collector, letter.id)

    def _place(self, letter: Letter) -> None:
        survey, at = self._survey, (letter.partition, letter.record.offset)
        survey.looked_at += 1
        if self.wanted.ids:
            survey.seen_ids.add(letter.id)
        outcome = self.marks.outcome(*at, letter.record.timestamp)
        if outcome is not None:
            survey.settled[outcome] += 1
            return
        kind = self.log.topics.events().get(letter.topic, "")
        group = Group(letter.reason, letter.collector, kind, letter.redrives)
        end = self.routing.route(letter)
        if isinstance(end, Left):
            survey.leave(end, group, letter.id)
            return
        survey.choose(end, group, *at)
        survey.size_bytes += len(letter.record.value or b"")

    def _settle_repeated(self) -> None:
        for partition, offset in self._repeated:
            if self._survey.withdraw(partition, offset) is not None:
                self._is_superseded(letter_id(partition, offset))

    def _settle_succeeded(self) -> None:
        """Those whose place was taken go to nobody who refused them again; where that is all of them, to nobody."""
        for before, successors in self._successors.items():
            place = place_in(before)
            withdrawn = None if place is None else self._survey.withdraw(*place)
            if place is None or withdrawn is None:
                continue
            target, group = withdrawn
            missing = tuple(each for each in target.entries if each not in successors)
            if target.service in successors and target.service not in target.entries:
                missing = ()
            if missing and len(target.entries) > 1:
                self._survey.choose(Target(target.service, missing), group, *place)
            else:
                self._is_superseded(before)

    def _is_superseded(self, letter: str) -> None:
        self._survey.settled["superseded"] += 1
        self._survey.unmarked.append(letter)
