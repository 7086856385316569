"""The work of ``sluice archive``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.alerts import Alerts
from collectors.jobs.origins import open_origin
from collectors.operations.moments import moment_ms
from collectors.operations.printing import Printer
from collectors.operations.running import OK, WRONG, UsageError, settings_of
from collectors.operations.tail import topics_named
from collectors.services.archive.address import place_at
from collectors.services.archive.against_log import Comparison
from collectors.services.archive.layout import HOUR_MS
from collectors.services.archive.listing import COLUMNS, as_dict, as_row, manifests_of
from collectors.services.archive.manifest import Manifest
from collectors.services.archive.places import Place
from collectors.services.archive.service import SERVICE, Archive, open_place
from collectors.services.archive.verify import Found, Span, Verifier, plain, topics_at
from collectors.settings import HostSettings, Settings
from sluice.eventlog.connect import open_publisher, topics_of

ACTIONS = ("list", "verify", "run")
_EXAMPLE = "archive: {folder: /var/lib/sluice/archive}"


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    action: str = "list"
    since: str = "beginning"
    until: str = "now"
    topics: tuple[str, ...] = ()
    against_log: bool = False
    archive: str = ""


async def archive(file: Path, config: Path, options: Options, printer: Printer) -> int:
    """``sluice archive``."""
    if options.action not in ACTIONS:
        raise UsageError(f"{options.action!r} is none of {', '.join(ACTIONS)}")
    if options.against_log and options.action != "verify":
        raise UsageError("--against-log goes with verify: sluice archive verify --against-log")
    host = settings_of(config, HostSettings)
    settings = settings_of(file, Settings) if file.exists() or not options.archive else None
    if options.action == "run":
        return await _run(file, settings, host, options, printer)
    place = _place(file, settings, options)
    try:
        topics = await asyncio.to_thread(_topics, place, host, options)
        if options.action == "list":
            return await asyncio.to_thread(_list, place, topics, span_of(options), printer)
        return await _verify(place, topics, host, options, printer)
    finally:
        place.close()


async def _run(file: Path, settings: Settings | None, host: HostSettings, options: Options, printer: Printer) -> int:
    if options.archive or settings is None or settings.archive is None:
        raise UsageError(f"{file}: archive: is not set, and run needs it; e.g. {_EXAMPLE}")
    publisher = open_publisher(host, host.data_dir, SERVICE)
    alerts = Alerts(publisher, topics_of(host).alert.name, SERVICE)
    try:
        hours = await Archive(settings.archive, host, file.parent).sweep(alerts)
        await alerts.flush()
    finally:
        await publisher.close()
    if printer.as_json:
        printer.object({"hours": hours})
    else:
        printer.line(f"{hours} hours archived")
    return OK


def span_of(options: Options) -> Span:
    """Whole hours: that in which ``--from`` lies, up to that in which ``--to`` does."""
    first, end = moment_ms(options.since, "--from"), moment_ms(options.until, "--to")
    if first >= end:
        raise UsageError(f"--from {options.since} is not before --to {options.until}")
    if options.until == "now":  # by the log's clock it may be later already
        return Span(first // HOUR_MS)
    return Span(first // HOUR_MS, -(-end // HOUR_MS))


def _place(file: Path, settings: Settings | None, options: Options) -> Place:
    if options.archive:
        return place_at(options.archive, settings)
    if settings is None or settings.archive is None:
        raise UsageError(f"{file}: archive: is not set; set it, e.g. {_EXAMPLE}, or give --archive")
    return open_place(settings.archive, file.parent)


def _topics(place: Place, host: HostSettings, options: Options) -> list[str]:
    there = topics_at(place)
    if not options.topics:
        if not there:
            raise UsageError(
                f"{place.where}: no topic is archived there; an hour is archived when it is over, by sluice collect "
                "(with archive: in collectors.yaml) or by sluice archive run"
            )
        return there
    wanted: list[str] = []
    for word in options.topics:
        names = [word] if word in there else topics_named(word, topics_of(host))
        missing = [name for name in names if name not in there]
        if missing:
            raise UsageError(f"--topic {word}: {missing[0]} is not archived; there are {', '.join(there) or 'none'}")
        wanted += names
    return list(dict.fromkeys(wanted))


def _list(place: Place, topics: list[str], span: Span, printer: Printer) -> int:
    found = Found()
    rows: list[tuple[Any, ...]] = []
    total = 0
    for each in manifests_of(place, topics, span, found):
        if not isinstance(each, Manifest):
            printer.note(f"{each} is not complete yet")
            continue
        total += each.records
        if printer.as_json:
            printer.object(as_dict(each))
        else:
            rows.append(as_row(each))
    if not printer.as_json:
        printer.table(COLUMNS, rows)
        printer.line(f"{total} records in {len(rows)} hours of topics, in {place.where}")
    for problem in found.problems:
        printer.note(f"{problem.where}: {problem.what}")
    return WRONG if found.problems else OK


async def _verify(place: Place, topics: list[str], host: HostSettings, options: Options, printer: Printer) -> int:
    span = span_of(options)
    found = await asyncio.to_thread(Verifier(place, span).verify, topics, printer.progress)
    if options.against_log:
        origin = open_origin(host)
        try:
            await Comparison(place, origin, found).compare(topics, span, printer.progress)
        finally:
            await origin.close()
    show(found, place, printer)
    return WRONG if found.problems else OK


def show(found: Found, place: Place, printer: Printer) -> None:
    """What was looked at, then what is wrong."""
    if printer.as_json:
        printer.object(plain(found))
        return
    compared = f", {found.compared} compared with the log" if found.compared else ""
    printer.line(
        f"{found.hours} hours, {found.files} files, {found.records} records, {found.size_bytes} bytes{compared}, "
        f"in {place.where}"
    )
    for note in found.notes:
        printer.note(note)
    for problem in found.problems:
        printer.line(f"{problem.where}: {problem.what}")
    printer.line(f"{len(found.problems)} problems" if found.problems else "all is as it was written")
