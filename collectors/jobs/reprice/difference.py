"""What another price list makes of a range: by app and model, exactly; and what it is not asked of, and why."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from collectors.jobs.reprice.repricing import REASONS, New, Old
from collectors.operations.printing import Printer
from sluice.money.nanos import format_nanos

_COLUMNS = (
    "app_id", "model", "currency", "requests", "tokens", "unpriced_before", "old_nanos", "new_nanos",
    "difference_nanos",
)  # fmt: skip


class Group(NamedTuple):
    """Whose exchanges are added up."""

    app_id: int | None
    model: str
    currency: str


@dataclass(slots=True)
class Figures:
    """Of one group."""

    requests: int = 0
    tokens: int = 0
    unpriced: int = 0
    """Requests that had no cost."""
    old_nanos: int = 0
    new_nanos: int = 0


@dataclass(slots=True)
class Difference:
    """Of all events that were asked for."""

    groups: dict[Group, Figures] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    """Reason → events that stay as they are."""
    kept_nanos: dict[str, Counter[str]] = field(default_factory=dict)
    """Reason → currency → what they cost."""
    currencies: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Model and currency of those whose price is in another."""

    def add(self, app_id: int | None, tokens: int | None, old: Old, new: New) -> None:
        """One event."""
        if new.reason:
            self.reasons[new.reason] += 1
            self.kept_nanos.setdefault(new.reason, Counter())[old.currency] += old.cost_nanos or 0
            if new.reason == "other_currency":
                self.currencies[old.model_name or "", old.currency] += 1
            return
        group = Group(app_id, old.model_name or "", new.currency)
        figures = self.groups.get(group)
        if figures is None:
            figures = self.groups[group] = Figures()
        figures.requests += 1
        figures.tokens += tokens or 0
        figures.unpriced += old.cost_nanos is None
        figures.old_nanos += old.cost_nanos or 0
        figures.new_nanos += new.cost_nanos or 0

    def totals(self) -> dict[str, dict[str, int]]:
        """By currency."""
        found: dict[str, dict[str, int]] = {}
        for group, figures in self.groups.items():
            total = found.setdefault(group.currency, {"old_nanos": 0, "new_nanos": 0, "difference_nanos": 0})
            total["old_nanos"] += figures.old_nanos
            total["new_nanos"] += figures.new_nanos
            total["difference_nanos"] += figures.new_nanos - figures.old_nanos
        return found

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each group, in order."""
        for group in sorted(self.groups, key=lambda each: (each.app_id or 0, each.model, each.currency)):
            figures = self.groups[group]
            values = (
                *group, figures.requests, figures.tokens, figures.unpriced, figures.old_nanos, figures.new_nanos,
                figures.new_nanos - figures.old_nanos,
            )  # fmt: skip
            yield dict(zip(_COLUMNS, values, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """For a report."""
        kept = [
            {"reason": reason, "meaning": REASONS[reason], "events": count, "nanos": dict(self.kept_nanos[reason])}
            for reason, count in sorted(self.reasons.items())
        ]
        return {"groups": list(self.rows()), "totals": self.totals(), "not_repriced": kept}

    def refusal(self) -> str:
        """Why nothing may be written, or empty: sums of two currencies are no sum."""
        if not self.currencies:
            return ""
        named = [
            f"{count} of {model or '-'} in {currency}" for (model, currency), count in self.currencies.most_common(3)
        ]
        return (
            f"the list has other currencies than these events were charged in: {', '.join(named)}; give those models "
            "prices in that currency, or leave them out with --filter"
        )

    def show(self, printer: Printer) -> None:
        """As tables, amounts in units of the currency, exactly."""
        head = ("app", "model", "currency", "requests", "tokens", "unpriced before", "old", "new", "difference")
        rows = [[*list(row.values())[:6], *(format_nanos(row[name]) for name in _COLUMNS[6:])] for row in self.rows()]
        totals = [
            ["all", "", currency, "", "", "", *(format_nanos(total[name]) for name in _COLUMNS[6:])]
            for currency, total in sorted(self.totals().items())
        ]
        printer.table(head, [*rows, *totals])
        if self.reasons:
            kept = [
                (reason, count, self._money(reason), REASONS[reason]) for reason, count in self.reasons.most_common()
            ]
            printer.line()
            printer.table(("not repriced", "events", "cost", "because"), kept)
        printer.line()

    def _money(self, reason: str) -> str:
        return " ".join(
            f"{format_nanos(nanos)} {currency}" for currency, nanos in self.kept_nanos[reason].items() if nanos
        )

    def write_csv(self, path: Path) -> None:
        """``--csv``: a row for each app and model, amounts in nanos. Raises OSError."""
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            writer.writerows({name: _plain(value) for name, value in row.items()} for row in self.rows())


def _plain(value: Any) -> Any:
    """A name that a spreadsheet would take for a formula is text: models are named by clients."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value
