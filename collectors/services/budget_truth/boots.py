"""What was seen of each life of a worker: sequence numbers as ranges, and for the latest of them which event each was.

Numbers 1 to ``through`` are one range, however many they are. What lies beyond it, or a little before, is in pages of
1,024 numbers with a digest for each: a number that comes again is a duplicate where the digest is the same, and a
conflict where it is not (two events under one number: a boot that was cloned, or a lie). Full pages far behind
``through`` are let go, so that what a boot takes stays small; a number from there counts as a duplicate.
"""

from __future__ import annotations

import zlib
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from sluice.intervals import Intervals

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping

PAGE = 1_024
KEPT_PAGES = 16
"""So many full ones before ``through`` still tell a conflict from a duplicate."""
MAX_SEQUENCE = 1 << 40
"""A boot that numbered a million events a second for twelve days would be there."""
_MAX_BOOTS = 10_000
_MAX_PAGES = 4_000
"""Those that are remembered between batches: 16 MB at most."""
_SEPARATOR = "\x1f"


class Claim(IntEnum):
    """What a number turns out to be."""

    APPLIED = 0
    DUPLICATE = 1
    CONFLICT = 2


class BootId(NamedTuple):
    """One life of one worker of one gateway."""

    gateway_id: str
    worker: str
    boot_id: str

    @property
    def key(self) -> str:
        """As the database knows it."""
        return _SEPARATOR.join(self)

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(slots=True)
class Boot:
    """What is known of one; ``top`` is the highest number that there must be."""

    id: BootId
    through: int = 0
    last: int = 0
    reported: int = 0
    seen: int = 0
    is_closed: bool = False
    excused: int = 0
    """Numbers up to it may be missing: the log no longer had them when counting began, or was overtaken."""
    uncovered: int = 0
    """How many of those are missing."""
    gap_at: int = 0
    """The first number that is missing and not excused, as of the last look."""
    gap_since: int = 0
    gap_told: int = 0
    """How many were missing when it was last told."""

    @property
    def top(self) -> int:
        """Seen, or reported as given."""
        return max(self.last, self.reported)

    @property
    def missing(self) -> int:
        """How many numbers up to ``top`` have not come, but for those that are excused."""
        return self.top - self.seen - self.uncovered

    def excuse(self) -> None:
        """Whatever is missing now will not come, and that is known."""
        self.excused, self.uncovered = self.top, self.top - self.seen


@dataclass(slots=True)
class Page:
    """A digest for each of 1,024 numbers; 0 is not seen."""

    digests: array[int] = field(default_factory=lambda: array("I", bytes(4 * PAGE)))
    count: int = 0

    @classmethod
    def unpack(cls, packed: bytes) -> Page:
        """As the database has it."""
        digests = array("I")
        digests.frombytes(zlib.decompress(packed))
        return cls(digests, PAGE - digests.count(0))

    def pack(self) -> bytes:
        """For the database."""
        return zlib.compress(self.digests.tobytes(), 1)


PageId = tuple[str, int]
"""The boot's key, and which page of it: number n lies on page (n - 1) // 1024."""


def page_of(sequence: int) -> int:
    """Which page a number lies on."""
    return (sequence - 1) // PAGE


def digest_of(event_id: str) -> int:
    """Never 0."""
    return zlib.crc32(event_id.encode()) or 1


class BootBook:
    """The boots and pages that a batch is about, loaded beforehand; what it changes is said afterwards."""

    def __init__(self) -> None:
        self.boots: OrderedDict[str, Boot] = OrderedDict()
        self.pages: OrderedDict[PageId, Page] = OrderedDict()
        self.dirty_boots: set[str] = set()
        self.dirty_pages: set[PageId] = set()
        self.dropped_pages: set[PageId] = set()

    def claim(self, key: str, sequence: int, digest: int) -> Claim:
        """Take a number for an event, unless it is taken."""
        boot = self.boots[key]
        page_id = (key, page_of(sequence))
        page = self.pages.get(page_id)
        if page is None:
            if sequence <= boot.through:
                return Claim.DUPLICATE
            page = self.pages[page_id] = Page()
        at = (sequence - 1) % PAGE
        there = page.digests[at]
        if there:
            return Claim.DUPLICATE if there == digest else Claim.CONFLICT
        page.digests[at] = digest
        page.count += 1
        self._note(boot, sequence)
        self.dirty_boots.add(key)
        self.dirty_pages.add(page_id)
        return Claim.APPLIED

    def _note(self, boot: Boot, sequence: int) -> None:
        boot.seen += 1
        boot.last = max(boot.last, sequence)
        if sequence <= boot.excused:
            boot.uncovered -= 1

    def report(self, boot_id: BootId, last: int, *, closing: bool) -> None:
        """A gateway says how far it has counted; a later report may be read before an earlier one."""
        boot = self.boots[boot_id.key]
        if last > boot.reported or (closing and not boot.is_closed):
            boot.reported = max(boot.reported, last)
            boot.is_closed = boot.is_closed or closing
            self.dirty_boots.add(boot_id.key)

    def advance(self, key: str, stored: Container[int]) -> PageId | None:
        """Move ``through`` on as far as everything is seen; a page that the database has and that is needed to go on is
        named, so that it can be loaded."""
        boot = self.boots[key]
        while (page := self.pages.get((key, page_of(boot.through + 1)))) is not None:
            at = boot.through % PAGE
            try:
                boot.through += page.digests.index(0, at) - at
            except ValueError:
                boot.through += PAGE - at
            else:
                return None
        needed = page_of(boot.through + 1)
        return (key, needed) if needed in stored else None

    def drop_pages(self, stored: Mapping[str, Collection[int]]) -> None:
        """Let go of what is full and far behind, of boots that are closed and whole of all. ``stored`` are the pages
        that the database has of each boot."""
        have: dict[str, set[int]] = {key: set(stored.get(key, ())) for key in self.dirty_boots}
        for key, number in self.dirty_pages:
            have[key].add(number)
        for key, numbers in have.items():
            boot = self.boots[key]
            is_whole = boot.is_closed and boot.through >= boot.top
            end = page_of(boot.top) + 1 if is_whole else page_of(boot.through + 1) - KEPT_PAGES
            self.dropped_pages.update((key, number) for number in numbers if number < end)
        for page_id in self.dropped_pages:
            self.pages.pop(page_id, None)
        self.dirty_pages -= self.dropped_pages

    def settled(self) -> None:
        """The database has it all."""
        self.dirty_boots.clear()
        self.dirty_pages.clear()
        self.dropped_pages.clear()
        while len(self.boots) > _MAX_BOOTS:
            self.boots.popitem(last=False)
        while len(self.pages) > _MAX_PAGES:
            self.pages.popitem(last=False)

    def forget(self) -> None:
        """Of a batch that was not kept, or by somebody who owns nothing any more."""
        for held in (self.boots, self.pages, self.dirty_boots, self.dirty_pages, self.dropped_pages):
            held.clear()


def seen_on(page: int, packed: bytes) -> Intervals:
    """The numbers of one page."""
    digests = Page.unpack(packed).digests
    return Intervals.of(page * PAGE + 1 + at for at, digest in enumerate(digests) if digest)
