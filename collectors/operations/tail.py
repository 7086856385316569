"""``sluice tail``: what is in the log, decoded, as it comes."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from collectors.operations.conditions import Conditions, conditions_of
from collectors.operations.decoding import Shown, fields_of, one_line
from collectors.operations.log import Log
from collectors.operations.moments import moment_ms
from collectors.operations.printing import Printer
from collectors.operations.running import OK, UsageError, settings_of
from collectors.settings import HostSettings
from schemas.events import KINDS
from schemas.topics import DLQ_SUFFIX, Topics

EVENTS = "events"
DEAD_LETTERS = "dead-letters"


def topics_named(name: str, topics: Topics) -> tuple[str, ...]:
    """The topics that a word means: a kind, ``events``, ``dead-letters``, the middle of a topic's name, or all of it.

    Raises UsageError naming what there is.
    """
    words: dict[str, tuple[str, ...]] = {EVENTS: tuple(topics.events())}
    words[DEAD_LETTERS] = tuple(topic.name for topic in topics.all() if topic.name.endswith(DLQ_SUFFIX))
    words |= {kind: (topics.event(kind).name,) for kind in KINDS}
    for topic in topics.all():
        short = topic.name.removeprefix(f"{topics.namespace}.").replace(".v1", "")
        words[topic.name] = words[short] = (topic.name,)
    if name not in words:
        near = get_close_matches(name, words, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(words))}"
        raise UsageError(f"no topic or kind {name!r}; {hint}")
    return words[name]


@dataclass(frozen=True, slots=True)
class TailOptions:
    """What was asked for."""

    topic: str = EVENTS
    since: str = ""
    follow: bool = True
    limit: int = 0
    where: str = ""


async def tail(config: Path, options: TailOptions, printer: Printer) -> int:
    """``sluice tail``."""
    conditions = conditions_of(options.where)
    from_ms = moment_ms(options.since or ("now" if options.follow else "beginning"), "--from")
    async with Log(settings_of(config, HostSettings)) as log:
        names = topics_named(options.topic, log.topics)
        _check_fields(conditions, names, log.topics)
        return await show_tail(log, names, from_ms, conditions, printer, follow=options.follow, limit=options.limit)


def _check_fields(conditions: Conditions, names: tuple[str, ...], topics: Topics) -> None:
    """Only events have fields that are known beforehand."""
    kinds = topics.events()
    wanted = [kinds.get(name.removesuffix(DLQ_SUFFIX)) for name in names]
    if None not in wanted:
        conditions.check_fields(fields_of([kind for kind in wanted if kind is not None]))


async def show_tail(
    log: Log,
    names: tuple[str, ...],
    from_ms: int,
    conditions: Conditions,
    printer: Printer,
    *,
    follow: bool,
    limit: int = 0,
) -> int:
    """Print what fits; what cannot be decoded fits where nothing is asked of it."""
    records = log.follow(names, from_ms, printer.note) if follow else log.shown(await log.ranges(names, from_ms), names)
    shown = 0
    try:
        async for record in records:
            if not (conditions.hold(record.event) if record.event is not None else not conditions.all_of):
                continue
            _print(printer, record)
            shown += 1
            if shown == limit:
                break
    finally:
        await records.aclose()
    return OK


def _print(printer: Printer, record: Shown) -> None:
    if printer.as_json:
        printer.object(record.as_dict())
    else:
        printer.line(one_line(record))
