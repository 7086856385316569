"""What ``sluice budget-truth`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collectors.operations.moments import ago
from collectors.operations.printing import Printer
from collectors.services.budget_truth.ledger import BudgetKey, Compared
from collectors.services.budget_truth.rebuilding import Rebuilt
from collectors.services.budget_truth.state import Gap, Truth
from collectors.services.budget_truth.tally import Sum, TotalKey
from sluice.clock import iso_micros, now_micros
from sluice.money.nanos import format_nanos

_TOTALS = ("scope", "id", "period", "currency", "spent", "of which corrected", "tokens", "requests")
_NANOS = ("ledger_nanos", "truth_nanos", "baseline_nanos", "difference_nanos")
_DIFFERENCES = ("budget", "ledger", "log", "before the budget", "difference")


def show_truth(truth: Truth, printer: Printer) -> None:
    """Totals, what they cover, gaps, problems, differences to the ledger."""
    now = now_micros()
    if printer.as_json:
        _truth_as_json(truth, printer, now)
        return
    printer.table(_TOTALS, [_total_row(key, total) for key, total in truth.totals.items()])
    covers = truth.covers
    since = f" since {iso_micros(covers.covers_since)}" if covers.covers_since else ""
    printer.line()
    printer.line(
        f"{covers.applied} events of {truth.boots} boots{since}; {covers.gaps} missing, {covers.uncovered} that the "
        f"log no longer had; end of the log reached {_age(truth.caught_up_at, now)}; {_owner(truth, now)}"
    )
    if truth.gaps:
        printer.line()
        printer.table(("boot", "missing", "numbers", "for"), [_gap_row(gap, now) for gap in truth.gaps])
    if truth.problems:
        printer.line()
        rows = [(row.kind, row.events, iso_micros(row.last_at), row.example) for row in truth.problems]
        printer.table(("problem", "count", "last", "example"), rows)
    if truth.differences:
        printer.line()
        printer.table(_DIFFERENCES, [_ledger_row(row) for row in truth.differences])


def _truth_as_json(truth: Truth, printer: Printer, now: int) -> None:
    for key, total in truth.totals.items():
        printer.object({"kind": "total", **_total_dict(key, total)})
    for gap in truth.gaps:
        printer.object({
            "kind": "gap", "boot": str(gap.boot.id), "missing": gap.boot.missing, "numbers": gap.numbers,
            "since": iso_micros(gap.boot.gap_since) if gap.boot.gap_since else None,
        })  # fmt: skip
    for row in truth.problems:
        problem = {"problem": row.kind, "count": row.events, "example": row.example, "last_at": iso_micros(row.last_at)}
        printer.object({"kind": "problem", **problem})
    for row in truth.differences:
        budget = {"scope": row.scope, "scope_id": row.scope_id, "period_start": iso_micros(row.period_start)}
        printer.object({"kind": "ledger", **budget, **{name: int(getattr(row, name)) for name in _NANOS}})
    caught_up = iso_micros(truth.caught_up_at) if truth.caught_up_at else None
    covers = {**truth.covers.as_dict(), "boots": truth.boots, "caught_up_at": caught_up}
    printer.object({"kind": "covers", "is_owned": truth.expires_at >= now, **covers})


def _total_dict(key: TotalKey, total: Sum) -> dict[str, Any]:
    times = {"period_start": iso_micros(key.period_start), "period_end": iso_micros(key.period_end)}
    return {**key._asdict(), **times, **{name: _number(value) for name, value in total._asdict().items()}}


def _number(value: int) -> int | str:
    """JSON of more than 64 bits is text."""
    return value if -(1 << 63) <= value < 1 << 63 else str(value)


def _total_row(key: TotalKey, total: Sum) -> Sequence[Any]:
    spent, corrected = format_nanos(total.spent_nanos), format_nanos(total.corrected_nanos)
    return (key.scope, key.scope_id, key.period_id, key.currency, spent, corrected, total.tokens, total.requests)


def _age(moment: int, now: int) -> str:
    return f"{ago((now - moment) / 1_000_000)} ago" if moment else "never"


def _owner(truth: Truth, now: int) -> str:
    return "counted now" if truth.expires_at >= now else "counted by nobody: start `sluice collect`"


def _gap_row(gap: Gap, now: int) -> Sequence[Any]:
    since = gap.boot.gap_since
    return (str(gap.boot.id), gap.boot.missing, gap.numbers, ago((now - since) / 1_000_000) if since else "-")


def _ledger_row(row: Any) -> Sequence[Any]:
    key = BudgetKey(row.scope, row.scope_id, row.period_start)
    return (str(key), *(format_nanos(int(getattr(row, name))) for name in _NANOS))


def show_compared(compared: Sequence[Compared], printer: Printer) -> None:
    """Every budget that both have."""
    if printer.as_json:
        for each in compared:
            printer.object(_compared_dict(each))
        return
    rows = [(str(each.key), *(format_nanos(getattr(each, name)) for name in _NANOS)) for each in compared]
    printer.table(_DIFFERENCES, rows)


def _compared_dict(each: Compared) -> Mapping[str, Any]:
    budget = {**each.key._asdict(), "period_start": iso_micros(each.key.period_start)}
    return {**budget, **{name: getattr(each, name) for name in _NANOS}}


def show_rebuilt(rebuilt: Rebuilt, printer: Printer) -> None:
    """Each difference, and how much was compared."""
    summary = {"totals": rebuilt.totals, "applied": rebuilt.applied, "not_comparable": rebuilt.not_comparable}
    if printer.as_json:
        for each in rebuilt.differences:
            running, counted = _total_dict(each.key, each.running), _total_dict(each.key, each.rebuilt)
            printer.object({"kind": "difference", "running": running, "rebuilt": counted})
        printer.object({"kind": "summary", **summary, "differences": len(rebuilt.differences)})
        return
    rows = [
        (*_total_row(each.key, each.running)[:5], format_nanos(each.rebuilt.spent_nanos))
        for each in rebuilt.differences
    ]
    if rows:
        printer.table(("scope", "id", "period", "currency", "running", "rebuilt"), rows)
    printer.line(
        f"{rebuilt.totals} totals of {rebuilt.applied} events: {len(rebuilt.differences)} differ, "
        f"{rebuilt.not_comparable} are of periods that the log has only in part"
    )
