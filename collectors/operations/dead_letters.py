"""``sluice dead-letters``: what could never be written, why, and what it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.operations.decoding import Shown
from collectors.operations.log import Log
from collectors.operations.moments import moment_ms
from collectors.operations.printing import Printer
from collectors.operations.running import OK, WRONG, UsageError, settings_of
from collectors.operations.tail import DEAD_LETTERS, topics_named
from collectors.settings import HostSettings
from schemas.events import KINDS
from schemas.topics import DLQ_SUFFIX
from sluice.eventlog.interface import Partition
from sluice.eventlog.ranges import OffsetRange

_ACTIONS = ("list", "show", "count")
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


async def dead_letters(config: Path, options: LetterOptions, printer: Printer) -> int:
    """``sluice dead-letters``."""
    if options.action not in _ACTIONS:
        raise UsageError(f"{options.action!r} is none of {', '.join(_ACTIONS)}")
    kind = options.wanted.kind
    if kind and kind not in KINDS:
        raise UsageError(f"--kind: {kind!r} is none of {', '.join(KINDS)}")
    async with Log(settings_of(config, HostSettings)) as log:
        if options.action == "show":
            return await show_one(log, options.letter, printer)
        to_ms = None if options.until == "now" else moment_ms(options.until, "--to")
        found = letters(log, options.wanted, moment_ms(options.since, "--from"), to_ms)
        if options.action == "count":
            return await count(found, printer)
        return await show_all(found, printer, options.limit)


async def letters(log: Log, wanted: Wanted, from_ms: int = 0, to_ms: int | None = None) -> AsyncIterator[Shown]:
    """Those that fit, in the order of the log."""
    names = topics_named(DEAD_LETTERS, log.topics)
    if wanted.kind in KINDS:
        names = tuple(log.topics.event(kind).name + DLQ_SUFFIX for kind in KINDS if kind == wanted.kind)
    async for letter in log.shown(await log.ranges(names, from_ms, to_ms), names):
        if wanted.fits(letter):
            yield letter


async def show_all(found: AsyncIterator[Shown], printer: Printer, limit: int = 0) -> int:
    """A line for each."""
    rows: list[Any] = []
    shown = 0
    async for letter in found:
        if printer.as_json:
            printer.object(letter.as_dict())
        else:
            rows.append(_row(letter))
        shown += 1
        if shown == limit:
            break
    if not printer.as_json and not shown:
        printer.line("no dead letters")
    elif not printer.as_json:
        printer.table(["id", "kind", "at", "collector", "reason", "attempts", "event", "detail"], rows)
    return WRONG if shown else OK


def _row(letter: Shown) -> tuple[Any, ...]:
    facts = letter.dead_letter
    return (
        letter.id,
        letter.kind,
        letter.appended_at[:19] + "Z",
        facts.get("collector"),
        facts.get("error.type"),
        facts.get("attempts"),
        letter.headers.get("ce_id", letter.key),
        facts.get("error.reason"),
    )


async def count(found: AsyncIterator[Shown], printer: Printer) -> int:
    """By reason, collector and kind, the most first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    async for letter in found:
        facts = letter.dead_letter
        counts[facts.get("error.type", ""), facts.get("collector", ""), letter.kind] += 1
    rows = sorted(((number, *key) for key, number in counts.items()), key=lambda row: (-row[0], row[1:]))
    names = ["count", "reason", "collector", "kind"]
    if printer.as_json:
        for row in rows:
            printer.object(dict(zip(names, row, strict=True)))
    elif rows:
        printer.table(names, rows)
    else:
        printer.line("no dead letters")
    return WRONG if counts else OK


def place_of(letter: str) -> tuple[Partition, int]:
    """Where the letter with this id lies; raises UsageError with the form it must have."""
    parts = letter.rsplit("/", 2)
    if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()):
        raise UsageError(f"show: {letter!r} is no id; {_ID_FORM}")
    return Partition(parts[0], int(parts[1])), int(parts[2])


async def show_one(log: Log, letter: str, printer: Printer) -> int:
    """Its headers, why, and what it was, as far as that can be decoded."""
    partition, offset = place_of(letter)
    names = topics_named(DEAD_LETTERS, log.topics)
    found = (await log.ranges(names)).get(partition)
    if found is None or not found.first <= offset < found.end:
        raise UsageError(f"show: nothing lies at {letter}: retention may have deleted it; {_ID_FORM}")
    async for each in log.shown({partition: OffsetRange(offset, offset + 1)}, names):
        _show_whole(each, printer)
        return OK
    raise UsageError(f"show: what lies at {letter} is no dead letter; {_ID_FORM}")


def _show_whole(letter: Shown, printer: Printer) -> None:
    if printer.as_json:
        printer.object(letter.as_dict())
        return
    printer.line(f"{letter.id}  {letter.kind}  {letter.appended_at}  key {letter.key or '-'}")
    for title, facts in (("why", letter.dead_letter), ("headers", letter.headers), ("event", letter.event or {})):
        if facts:
            printer.line(title)
        for name, value in facts.items():
            printer.line(f"  {name:<24} {value}")
    if letter.event is None:
        raw = letter.raw or b""
        printer.line(f"undecodable: {letter.problem}; {len(raw)} bytes: {raw[:64].hex(' ')}")
