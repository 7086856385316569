"""The work of ``sluice reconcile``: what it was asked, and how it says what was found."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collectors.operations.moments import moment_ms
from collectors.operations.printing import Printer
from collectors.operations.running import OK, WRONG, UsageError, settings_of
from collectors.services.reconcile.last import keep_last
from collectors.services.reconcile.reconciling import Question, Reconciling, UnknownSinkError
from collectors.services.reconcile.results import Comparison, Findings, Item, LogCheck
from collectors.services.reconcile.stores import Span
from collectors.settings import HostSettings, Settings
from schemas.events import KINDS
from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import Boot
from sluice.intervals import Intervals

_COLUMNS = ["verdict", "sink", "kind", "event", "outcome", "boot", "sequences", "why", "at"]
_HEAD = list(Item("gap", "", "budget", Boot("", "", ""), Intervals()).as_dict())


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    since: str = "-1d"
    until: str = "now"
    sinks: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    limit: int = 100
    expects_all: bool = False
    csv: Path | None = None

    def question(self, clock: Callable[[], int] = now_micros) -> Question:
        """Raises UsageError."""
        for kind in self.kinds:
            if kind not in KINDS:
                raise UsageError(f"--kind: {kind!r} is none of {', '.join(KINDS)}")
        start, end = moment_ms(self.since, "--from", clock), moment_ms(self.until, "--to", clock)
        if start >= end:
            raise UsageError(f"--from: {self.since!r} is not before --to {self.until!r}; give an earlier moment")
        kinds = tuple(kind for kind in KINDS if not self.kinds or kind in self.kinds)
        limit = self.limit or sys.maxsize
        return Question(Span.of_ms(start, end), self.sinks, kinds, limit, self.expects_all)


async def reconcile(file: Path, config: Path, options: Options, printer: Printer) -> int:
    """``sluice reconcile``."""
    question = options.question()
    settings, host = settings_of(file, Settings), settings_of(config, HostSettings)
    try:
        findings = await Reconciling(settings, host, progress=printer.progress).run(question)
    except UnknownSinkError as error:
        raise UsageError(f"--sink: {error}") from error
    if not options.sinks and not options.kinds:
        keep_last(host.data_dir, findings, question.span, now_micros())
    if options.csv is not None:
        write_csv(options.csv, findings.items)
    show(findings, question, printer)
    return OK if findings.is_equal else WRONG


def write_csv(path: Path, items: Sequence[Item]) -> None:
    """A line for each; raises UsageError where the file cannot be written."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _HEAD)
            writer.writeheader()
            writer.writerows(_unlike_a_formula(item.as_dict()) for item in items)
    except OSError as error:
        raise UsageError(f"--csv: {path} cannot be written: {error.strerror or error}") from error


def _unlike_a_formula(row: dict[str, Any]) -> dict[str, Any]:
    """Names come from outside; no spreadsheet computes what is in them."""
    return {key: f"'{value}" if str(value).startswith(("=", "+", "-", "@")) else value for key, value in row.items()}


def show(findings: Findings, question: Question, printer: Printer) -> None:
    """Figures first, then what differs."""
    for note in findings.notes:
        printer.note(note)
    if printer.as_json:
        _show_json(findings, printer)
        return
    if findings.checks:
        columns = ["log", "boots", "reported", "missing", "undecodable", "is"]
        printer.table(columns, [_check_row(each) for each in findings.checks])
        printer.line()
    if findings.comparisons or findings.incomparable:
        columns = ["sink", "kind", "in log", "expected", "in sink", "missing", "surplus", "is", "because"]
        rows = [_row(each) for each in findings.comparisons]
        blank = ("",) * 6
        rows += [(each.sink, *blank, "cannot be compared", each.reason) for each in findings.incomparable]
        printer.table(columns, rows)
    _show_items(findings, printer)
    _show_spans(findings, question, printer)


def _show_json(findings: Findings, printer: Printer) -> None:
    for check in findings.checks:
        printer.object(check.as_dict())
    for comparison in findings.comparisons:
        printer.object(comparison.as_dict())
    for other in findings.incomparable:
        printer.object({"sink": other.sink, "cannot_be_compared": other.reason})
    for item in findings.items:
        printer.object(item.as_dict())


def _word(is_equal: bool) -> str:
    return "equal" if is_equal else "different"


def _check_row(each: LogCheck) -> tuple[Any, ...]:
    return (each.kind, each.boots, each.reported, each.missing, each.undecodable, _word(each.is_equal))


def _row(each: Comparison) -> tuple[Any, ...]:
    verdict = "unknown" if each.problem else _word(each.is_equal)
    return (
        each.sink, each.kind, each.in_log, each.expected, each.in_sink, each.missing, each.surplus, verdict,
        each.problem or _because(each),
    )  # fmt: skip


def _because(each: Comparison) -> str:
    facts = [f"{number} {reason.replace('_', ' ')}" for reason, number in sorted(each.explained.items())]
    if each.unnumbered:
        facts.append(f"{each.unnumbered} documents without a number")
    if each.beyond_log:
        facts.append(f"{each.beyond_log} documents older than the log")
    return ", ".join(facts)


def _show_items(findings: Findings, printer: Printer) -> None:
    if not findings.items:
        return
    printer.line()
    printer.table(_COLUMNS, [_item_row(item) for item in findings.items])
    listed = Counter((item.sink, item.kind, item.verdict) for item in findings.items)
    for comparison in findings.comparisons:
        for verdict, number in (("missing", comparison.missing), ("surplus", comparison.surplus)):
            more = number - listed[comparison.sink, comparison.kind, verdict]  # type: ignore[index]
            if more > 0:
                printer.note(f"{comparison.sink} {comparison.kind}: {more} more {verdict}; list them with --limit 0")


def _item_row(item: Item) -> tuple[Any, ...]:
    boot = f"{item.boot.gateway_id}/{item.boot.worker}/{item.boot.boot_id}"
    sink = item.sink or "the log"
    return (
        item.verdict, sink, item.kind, item.event_id, item.outcome, boot, str(item.numbers), item.why,
        item.place or item.occurred_at,
    )  # fmt: skip


def _show_spans(findings: Findings, question: Question, printer: Printer) -> None:
    later = {each.kind: each.since for each in findings.comparisons if each.since > question.span.start}
    for kind, since in later.items():
        printer.note(f"{kind}: compared from {iso_micros(since)} on: the log keeps nothing older for certain")
