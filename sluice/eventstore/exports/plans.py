"""What of a panel other programs can show, and what they cannot, in words.

Kibana and Grafana aggregate documents and no more. So money is the documents' ``cost``, a double, by currency; a panel
of plugins counts exchanges, because a document has the steps as lists; comparisons, forecasts and columns of some
events alone stay with the console.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from schemas.events import Kind
from sluice.eventstore.dashboards.definitions import Dashboard, Panel
from sluice.eventstore.exports.lucene import EVERYTHING, lucene_of
from sluice.eventstore.panels.fields import event_kind, field_of
from sluice.eventstore.panels.query import Filter, Measure, PanelQuery, Subject

FigureKind = Literal["count", "sum", "avg", "percentiles", "cardinality"]
CURRENCIES = 10
"""Of which a panel of money shows the largest."""

_STEP_FIELDS = frozenset({"plugin", "hook", "decision", "micros"})
_FIGURES: dict[str, FigureKind] = {
    "count": "count", "sum": "sum", "average": "avg", "percentiles": "percentiles", "distinct": "cardinality",
    "rate": "sum",
}  # fmt: skip
_COUNTED: dict[Subject, str] = {
    "analytics": "requests", "proxy_log": "exchanges", "budget": "charges", "plugin_step": "exchanges",
}  # fmt: skip

MONEY = "Costs are sums of doubles, by currency: exact to about 15 digits. The console and the API are exact."
STEPS = "Exchanges are counted, not calls: an exchange with several values stands under each."


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric aggregation."""

    kind: FigureKind
    field: str
    """Of the document; empty for counts."""
    label: str
    percents: tuple[float, ...] = ()
    is_money: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """One ``terms`` aggregation."""

    field: str
    size: int
    is_text: bool


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of the documents a query matches."""

    label: str
    where: str
    """Lucene."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A panel that other programs can show."""

    panel: Panel
    kind: Kind
    figures: tuple[Figure, ...]
    """At least one; where there is a share, it is shown instead."""
    splits: tuple[Split, ...]
    """The outermost first; the currency, where there is money, last."""
    share: Share | None
    query: str
    """Lucene."""
    interval: str
    """Of buckets of time: ours, ``auto``, or nothing."""
    notes: tuple[str, ...]

    @property
    def is_rate(self) -> bool:
        """Whether figures are sums of each interval, and their mean is what was asked."""
        return any(measure.measure.startswith("rate") for measure in self.panel.query.measures)

    @property
    def description(self) -> str:
        """What the panel answers, and what a reader must know."""
        return " ".join((self.panel.answers, *self.notes))


def plan_of(panel: Panel) -> Plan:
    """What can be shown of a panel."""
    query = panel.query.made(0, 1)
    shares = [measure for measure in query.measures if measure.kind == "share"] if len(query.measures) == 1 else []
    splits = _splits(query)
    kept = [found for found in query.measures if _is_shown(found, query)]
    figures = tuple(_figure(query.kind, found) for found in kept) or (Figure("count", "", _COUNTED[query.kind]),)
    if any(figure.is_money for figure in figures):
        splits = (*splits, Split("currency", CURRENCIES, True))
    return Plan(
        panel=panel,
        kind=event_kind(query.kind),
        figures=figures,
        splits=splits,
        share=_share(query.kind, shares[0]) if shares else None,
        query=_lucene(query.kind, query.filters),
        interval=_interval(query),
        notes=tuple(_notes(query, figures, is_share=bool(shares))),
    )


def plans_of(dashboard: Dashboard) -> tuple[Plan, ...]:
    """Of all its panels, in their order."""
    return tuple(plan_of(panel) for panel in dashboard.panels)


def place(plans: tuple[Plan, ...], columns: int, heights: Callable[[Plan], int]) -> list[dict[str, int]]:
    """Where each panel stands, in rows from the left; ``columns`` is the width of a row of four."""
    found: list[dict[str, int]] = []
    x = y = tallest = 0
    for plan in plans:
        width = plan.panel.width * columns // 4
        if x + width > columns:
            x, y, tallest = 0, y + tallest, 0
        found.append({"x": x, "y": y, "w": width, "h": heights(plan)})
        x, tallest = x + width, max(tallest, heights(plan))
    return found


def document_field(subject: Subject, name: str) -> str:
    """What a field is called in documents."""
    return f"plugins.{name}" if subject == "plugin_step" and name in _STEP_FIELDS else name


def _is_shown(measure: Measure, query: PanelQuery) -> bool:
    if measure.kind == "share" or measure.where:
        return False
    if query.kind == "plugin_step" and measure.field in _STEP_FIELDS:
        return not query.split_by  # which plugin took which time is not in a document
    return True


def _splits(query: PanelQuery) -> tuple[Split, ...]:
    names = query.split_by[:1] if query.kind == "plugin_step" else query.split_by
    return tuple(
        Split(document_field(query.kind, name), query.limit, field_of(query.kind, name, "split_by").type == "keyword")
        for name in names
    )


def _figure(subject: Subject, measure: Measure) -> Figure:
    kind = _FIGURES[measure.kind]
    if not measure.field:
        return Figure("count", "", measure.name or _COUNTED[subject])
    is_cost = measure.field == "cost_nanos"
    field = "cost" if is_cost else document_field(subject, measure.field)
    words = field.replace("plugins.", "").replace("_", " ")
    prefix = {"avg": "average ", "cardinality": "distinct "}.get(kind, "")
    is_money = field_of(subject, measure.field, "measures").is_money and kind != "cardinality"
    return Figure(kind, field, measure.name or prefix + words, measure.percents, is_money)


def _share(subject: Subject, measure: Measure) -> Share:
    return Share(measure.name or "share", _lucene(subject, measure.where))


def _lucene(subject: Subject, filters: tuple[Filter, ...]) -> str:
    return lucene_of(subject, filters, lambda name: document_field(subject, name)) if filters else EVERYTHING


def _interval(query: PanelQuery) -> str:
    rates = [measure.per_seconds for measure in query.measures if measure.kind == "rate"]
    if rates:
        return {60: "1m", 3600: "1h", 86_400: "1d"}.get(rates[0], f"{rates[0]}s")
    return query.interval


def _notes(query: PanelQuery, figures: tuple[Figure, ...], *, is_share: bool) -> list[str]:
    left_out = [found.name or found.field for found in query.measures if not _is_shown(found, query) and not is_share]
    notes = []
    if any(figure.field == "cost" for figure in figures):
        notes.append(MONEY)
    if any(figure.is_money for figure in figures) and not all(figure.is_money for figure in figures):
        notes.append("All figures of a row are of its currency.")
    if any(figure.is_money and figure.field != "cost" for figure in figures):
        notes.append("What ends in nanos is billionths of the currency.")
    if query.kind == "plugin_step" and figures[0].kind == "count":
        notes.append(STEPS)
    if query.kind == "plugin_step" and len(query.split_by) > 1:
        left_out += query.split_by[1:]
    if left_out:
        notes.append(f"Not shown here, but in the console: {', '.join(left_out)}.")
    if query.compare or query.forecast:
        notes.append("The period before and the forecast are in the console.")
    return notes
