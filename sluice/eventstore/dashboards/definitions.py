"""Definitions of dashboards: read from the package's YAML and checked before anything is shown.

A definition that names a field, a measure or an interval that there is not is refused with the panel's name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.events import Kind
from sluice.eventstore.panels.checks import check_query
from sluice.eventstore.panels.query import DEFAULT_LIMIT, Filter, Measure, PanelQuery, QueryError, Scalar, Subject
from sluice.settings import parse_document

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Sentence = Annotated[str, Field(min_length=10, max_length=300)]
Chart = Literal["figure", "line", "area", "bar", "table"]
Unit = Literal["requests", "events", "tokens", "money", "micros", "share", "bytes", "calls", "rate"]

DASHBOARDS = ("overview", "spend", "latency", "models", "budgets", "plugins")
"""In the order in which they are shown."""

_FUNCTION = re.compile(r"(?P<kind>[a-z]+)(?:\((?P<arguments>[^()]*)\))?")
_DAY_MICROS = 86_400_000_000


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FilterDefinition(_Part):
    """``{field: outcome, not: [ok]}``: a field and one condition."""

    field: str
    is_: Scalar = Field(None, alias="is")
    in_: tuple[Scalar, ...] = Field((), alias="in")
    not_: tuple[Scalar, ...] = Field((), alias="not")
    range: tuple[int | None, int | None] | None = None
    contains: str = ""

    @model_validator(mode="after")
    def _one_condition(self) -> FilterDefinition:
        if len(self.model_fields_set - {"field"}) != 1:
            message = f"filter of {self.field}: give one of is, in, not, range, contains"
            raise ValueError(message)
        return self

    def made(self) -> Filter:
        """As queries have it."""
        if "is_" in self.model_fields_set:
            return Filter(self.field, "is", (self.is_,))
        if "in_" in self.model_fields_set:
            return Filter(self.field, "in", self.in_)
        if "not_" in self.model_fields_set:
            return Filter(self.field, "not", self.not_)
        if self.range is not None:
            return Filter(self.field, "range", self.range)
        return Filter(self.field, "contains", (self.contains,))


class MeasureDefinition(_Part):
    """``count``, ``sum(cost_nanos)``, ``percentiles(total_micros, 50, 95)``; with ``where``, of some events only."""

    measure: str
    name: str = ""
    where: tuple[FilterDefinition, ...] = ()
    per_seconds: Annotated[int, Field(gt=0)] = 60

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"measure": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _readable(self) -> MeasureDefinition:
        self.made()
        return self

    def made(self) -> Measure:
        """As queries have it."""
        match = _FUNCTION.fullmatch(self.measure)
        if match is None:
            message = (
                f"measure {self.measure!r} is not like count, sum(cost_nanos) or percentiles(total_micros, 50, 95)"
            )
            raise ValueError(message)
        field, *rest = [part.strip() for part in (match["arguments"] or "").split(",")]
        percents = tuple(float(part) for part in rest)
        where = tuple(found.made() for found in self.where)
        return Measure(match["kind"], field, percents, where, self.per_seconds, self.name)  # type: ignore[arg-type]


class QueryDefinition(_Part):
    """A panel's query but for what the reader chooses: the range, the time zone, the values of variables."""

    kind: Subject
    measures: tuple[MeasureDefinition, ...]
    split_by: tuple[str, ...] = ()
    interval: str = ""
    filters: tuple[FilterDefinition, ...] = ()
    limit: int = DEFAULT_LIMIT
    compare: Literal["", "previous"] = ""
    forecast: bool = False

    def made(self, start: int, end: int, time_zone: str = "UTC", filters: Sequence[Filter] = ()) -> PanelQuery:
        """The query over a range; ``filters`` are the reader's, beside its own."""
        return PanelQuery(
            kind=self.kind,
            start=start,
            end=end,
            measures=tuple(measure.made() for measure in self.measures),
            split_by=self.split_by,
            interval=self.interval,
            time_zone=time_zone,
            filters=(*(found.made() for found in self.filters), *filters),
            limit=self.limit,
            compare=self.compare,
            forecast=self.forecast,
        )


class Variable(_Part):
    """What readers choose values of; a filter on the field, in every panel whose events have it."""

    name: Name
    field: str
    title: str


class Panel(_Part):
    """One picture or table and the sentence that says what it answers."""

    name: Name
    title: Annotated[str, Field(min_length=2, max_length=60)]
    answers: Sentence
    chart: Chart
    unit: Unit
    """Of the first measure."""
    width: Annotated[int, Field(ge=1, le=4)] = 1
    """Of a row of four."""
    limits: str = ""
    """What a store cannot say, in a sentence; empty where both say all."""
    query: QueryDefinition

    @model_validator(mode="after")
    def _askable(self) -> Panel:
        try:
            check_query(self.query.made(0, _DAY_MICROS))
        except QueryError as error:
            message = f"panel {self.name}: {error}"
            raise ValueError(message) from error
        return self


class Dashboard(_Part):
    """One page."""

    name: Name
    title: str
    answers: Sentence
    variables: tuple[Variable, ...] = ()
    panels: tuple[Panel, ...]

    @model_validator(mode="after")
    def _distinct(self) -> Dashboard:
        for names in ([panel.name for panel in self.panels], [variable.name for variable in self.variables]):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                message = f"dashboard {self.name}: {', '.join(twice)} stands twice; give each a name of its own"
                raise ValueError(message)
        return self

    def panel(self, name: str) -> Panel:
        """The panel of a name; KeyError where there is none."""
        return next(panel for panel in self.panels if panel.name == name)


@cache
def load_dashboard(name: str) -> Dashboard:
    """One of ``DASHBOARDS``, from the package."""
    data = files(__package__).joinpath(f"{name}.yaml").read_bytes()
    return Dashboard.model_validate(parse_document(data, f"{name}.yaml"))


def load_dashboards() -> tuple[Dashboard, ...]:
    """All of them, in the order in which they are shown."""
    return tuple(load_dashboard(name) for name in DASHBOARDS)


def kinds_of(dashboard: Dashboard) -> set[Kind]:
    """The events that a dashboard reads."""
    return {"proxy_log" if panel.query.kind == "plugin_step" else panel.query.kind for panel in dashboard.panels}
