"""What became of the exchanges, by outcome: as rows for scripts, as a table for people."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from schemas.events import KINDS
from sluice.dev.demo.arrivals import Arrivals

_HEADINGS = ("outcome", "exchanges", "prompt tokens", "response tokens", "cost", "proxy log", "analytics", "budget")


@dataclass(slots=True)
class Row:
    """All exchanges of one outcome."""

    outcome: str
    exchanges: int = 0
    prompt_tokens: int = 0
    response_tokens: int = 0
    cost_nanos: int = 0
    proxy_logs: int = 0
    analytics: int = 0
    budgets: int = 0

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        cost = f"${Decimal(self.cost_nanos) / 1_000_000_000:.6f}" if self.cost_nanos else "-"
        counts = (self.prompt_tokens, self.response_tokens)
        documents = (self.proxy_logs, self.analytics, self.budgets)
        return (
            self.outcome,
            str(self.exchanges),
            *(f"{count:,}" if count else "-" for count in counts),
            cost,
            *map(str, documents),
        )


def summarise(arrivals: Arrivals) -> list[Row]:
    """The most frequent outcome first."""
    rows: dict[str, Row] = defaultdict(lambda: Row(""))
    for exchange_id, proxy_log in arrivals.documents["proxy_log"].items():
        row = rows[str(proxy_log["outcome"])]
        row.outcome = str(proxy_log["outcome"])
        row.exchanges += 1
        row.proxy_logs += 1
        analytics = arrivals.documents["analytics"].get(exchange_id)
        if analytics is not None:
            row.analytics += 1
            row.prompt_tokens += analytics["prompt_tokens"] or 0
            row.response_tokens += analytics["response_tokens"] or 0
            row.cost_nanos += analytics["cost_nanos"] or 0
        row.budgets += exchange_id in arrivals.documents["budget"]
    return sorted(rows.values(), key=lambda row: (-row.exchanges, row.outcome))


def as_json(rows: list[Row], arrivals: Arrivals) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "outcomes": [asdict(row) for row in rows],
        "documents": {kind: len(arrivals.documents[kind]) for kind in KINDS},
        "missing": {kind: arrivals.missing[kind] for kind in KINDS},
    }


def show(rows: list[Row], console: Console) -> None:
    """A table; columns of plain text where nobody watches."""
    if not console.is_terminal:
        _show_plain(rows, console)
        return
    table = Table(title="What became of them", title_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading == "outcome" else "right")
    for row in rows:
        table.add_row(*row.cells())
    console.print(table)


def _show_plain(rows: list[Row], console: Console) -> None:
    lines = [_HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    for line in lines:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        console.print("  ".join([first, *others]), markup=False, soft_wrap=True)
