"""``sluice dead-letters``: what could never be written, why, and what it was.

A letter is *open* until a redrive has settled it (``marks.py``). Where marks cannot be read all letters are shown as
open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.operations.decoding import Shown
from collectors.operations.log import Log
from collectors.operations.marks import Marks, place_in, read_marks
from collectors.operations.moments import moment_ms
from collectors.operations.printing import Printer
from collectors.operations.running import OK, WRONG, UsageError, settings_of
from collectors.operations.tail import DEAD_LETTERS, topics_named
from collectors.settings import HostSettings
from schemas.events import KINDS
from schemas.topics import DLQ_SUFFIX
from sluice.eventlog.interface import EventLogError, Partition
from sluice.eventlog.ranges import OffsetRange

_ACTIONS = ("list", "show", "count")
OPEN = "open"
_ID_FORM = "an id is TOPIC/PARTITION/OFFSET (or JOURNAL/NUMBER/OFFSET), as list shows it"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters; empty is all."""

    kind: str = ""
    collector: str = ""
    reason: str = ""

    def fits(self, letter: Shown) -> bool:
        """By its headers."""
        facts = letter.dead_letter
        return (
            (not self.kind or letter.kind == self.kind)
            and (not self.collector or facts.get("collector") == self.collector)
            and (not self.reason or facts.get("error.type") == self.reason)
        )


@dataclass(frozen=True, slots=True)
class LetterOptions:
    """What was asked for."""

    action: str = "list"
    letter: str = ""
    wanted: Wanted = Wanted()
    since: str = "beginning"
    until: str = "now"
    limit: int = 0
    all_of_them: bool = False
    """Those that are settled too."""


@dataclass(frozen=True, slots=True)
class Found:
    """A letter, and whether it is ``open`` or how it was settled."""

    letter: Shown
    state: str

    @property
    def is_open(self) -> bool:
        """Whether nobody has it."""
        return self.state == OPEN

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return self.letter.as_dict() | {"state": self.state}


async def dead_letters(config: Path, options: LetterOptions, printer: Printer) -> int:
    """``sluice dead-letters``."""
    if options.action not in _ACTIONS:
        raise UsageError(f"{options.action!r} is none of {', '.join(_ACTIONS)}")
    kind = options.wanted.kind
    if kind and kind not in KINDS:
        raise UsageError(f"--kind: {kind!r} is none of {', '.join(KINDS)}")
    async with Log(settings_of(config, HostSettings)) as log:
        marks = await known_marks(log, printer)
        if options.action == "show":
            return await show_one(log, options.letter, printer, marks)
        to_ms = None if options.until == "now" else moment_ms(options.until, "--to")
        found = letters(log, options.wanted, moment_ms(options.since, "--from"), to_ms, marks)
        if options.action == "count":
            return await count(found, printer, all_of_them=options.all_of_them)
        return await show_all(found, printer, options.limit, all_of_them=options.all_of_them)


async def known_marks(log: Log, printer: Printer) -> Marks:
    """What redrives have settled, as far as that can be known: nothing of it keeps letters from being shown."""
    try:
        marks = await read_marks(log)
    except EventLogError as error:
        printer.note(f"what was redriven is not known, so all letters are shown as open: {error}")
        return Marks()
    if marks.broken:
        printer.note(f"{marks.broken} records of {log.topics.redrive.name} are no marks; they were passed over")
    return marks


async def letters(
    log: Log, wanted: Wanted, from_ms: int = 0, to_ms: int | None = None, marks: Marks | None = None
) -> AsyncGenerator[Found]:
    """Those that fit, settled or not, in the order of the log."""
    names = topics_named(DEAD_LETTERS, log.topics)
    if wanted.kind in KINDS:
        names = tuple(log.topics.event(kind).name + DLQ_SUFFIX for kind in KINDS if kind == wanted.kind)
    async for letter in log.shown(await log.ranges(names, from_ms, to_ms), names):
        if wanted.fits(letter):
            yield Found(letter, _state(letter, marks))


def _state(letter: Shown, marks: Marks | None) -> str:
    outcome = None if marks is None else marks.outcome(letter.partition, letter.offset, letter.appended_ms)
    return OPEN if outcome is None else outcome


async def show_all(found: AsyncGenerator[Found], printer: Printer, limit: int = 0, *, all_of_them: bool = False) -> int:
    """A line for each that is open, or for each; 1 where one that is shown is open."""
    rows: list[Any] = []
    shown = settled = 0
    is_well = True
    async with aclosing(found):
        async for each in found:
            settled += not each.is_open
            if not each.is_open and not all_of_them:
                continue
            is_well &= not each.is_open
            shown += 1
            if printer.as_json:
                printer.object(each.as_dict())
            else:
                rows.append((*_row(each.letter), each.state) if all_of_them else _row(each.letter))
            if shown == limit:
                break
    if not printer.as_json and not shown:
        printer.line(_none(settled))
    elif not printer.as_json:
        names = ["id", "kind", "at", "collector", "reason", "attempts", "redrives", "event", "detail"]
        printer.table([*names, "state"] if all_of_them else names, rows)
    return OK if is_well else WRONG


def _none(settled: int) -> str:
    return f"no open dead letters; {settled} were redriven: --all shows them" if settled else "no dead letters"


def _row(letter: Shown) -> tuple[Any, ...]:
    facts = letter.dead_letter
    return (
        letter.id,
        letter.kind,
        letter.appended_at[:19] + "Z" if letter.appended_at.endswith("Z") else letter.appended_at,
        facts.get("collector"),
        facts.get("error.type"),
        facts.get("attempts"),
        facts.get("redrives", "0"),
        letter.headers.get("ce_id", letter.key),
        facts.get("error.reason"),
    )


async def count(found: AsyncGenerator[Found], printer: Printer, *, all_of_them: bool = False) -> int:
    """By reason, collector and kind, the most first; with all of them by state too."""
    counts: Counter[tuple[str, ...]] = Counter()
    settled, is_well = 0, True
    async for each in found:
        facts = each.letter.dead_letter
        key = (facts.get("error.type", ""), facts.get("collector", ""), each.letter.kind)
        is_well &= not each.is_open
        settled += not each.is_open
        if each.is_open or all_of_them:
            counts[(*key, each.state) if all_of_them else key] += 1
    rows = [(number, *key) for key, number in sorted(counts.items(), key=lambda each: (-each[1], each[0]))]
    names = ["count", "reason", "collector", "kind", *(["state"] if all_of_them else [])]
    if printer.as_json:
        for row in rows:
            printer.object(dict(zip(names, row, strict=True)))
    elif rows:
        printer.table(names, rows)
    else:
        printer.line(_none(settled))
    return OK if is_well else WRONG


def place_of(letter: str) -> tuple[Partition, int]:
    """Where the letter with this id lies; raises UsageError with the form it must have."""
    place = place_in(letter)
    if place is None:
        raise UsageError(f"show: {letter!r} is no id; {_ID_FORM}")
    return place


async def show_one(log: Log, letter: str, printer: Printer, marks: Marks | None = None) -> int:
    """Its headers, why, and what it was, as far as that can be decoded."""
    partition, offset = place_of(letter)
    names = topics_named(DEAD_LETTERS, log.topics)
    found = (await log.ranges(names)).get(partition)
    if found is None or not found.first <= offset < found.end:
        raise UsageError(f"show: nothing lies at {letter}: retention may have deleted it; {_ID_FORM}")
    async for each in log.shown({partition: OffsetRange(offset, offset + 1)}, names):
        _show_whole(Found(each, _state(each, marks)), printer)
        return OK
    raise UsageError(f"show: what lies at {letter} is no dead letter; {_ID_FORM}")


def _show_whole(found: Found, printer: Printer) -> None:
    if printer.as_json:
        printer.object(found.as_dict())
        return
    letter = found.letter
    printer.line(f"{letter.id}  {letter.kind}  {letter.appended_at}  key {letter.key or '-'}  {found.state}")
    for title, facts in (("why", letter.dead_letter), ("headers", letter.headers), ("event", letter.event or {})):
        if facts:
            printer.line(title)
        for name, value in facts.items():
            printer.line(f"  {name:<24} {value}")
    if letter.event is None:
        raw = letter.raw or b""
        printer.line(f"undecodable: {letter.problem}; {len(raw)} bytes: {raw[:64].hex(' ')}")
