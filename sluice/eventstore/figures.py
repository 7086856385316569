"""From groups of analytics events to what the interface answers: the part that does not know the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from sluice.clock import at_micros
from sluice.eventstore.documents import MAX_KEYWORD_CHARACTERS
from sluice.eventstore.queries import (
    MAX_GROUPS,
    Costs,
    DayFigures,
    EventStoreError,
    LlmFigures,
    LlmStats,
    ModelFigures,
    Money,
    Summary,
)

GroupBy = Literal["day", "outcome", "currency", "llm_id", "llm_slug", "model_name"]
"""What events are grouped by; a day is counted from the epoch."""

DAY_MICROS = 86_400_000_000
_HOUR_MICROS = 3_600_000_000
_TOP_MODELS = 10


@dataclass(frozen=True, slots=True)
class Grouping:
    """What events are grouped by, the currency last, and which of their fields are added up: no more than is shown."""

    by: tuple[GroupBy, ...]
    summed: tuple[str, ...] = ("total_tokens", "cost_nanos")


BY_OUTCOME = Grouping(
    ("outcome", "currency"), ("prompt_tokens", "response_tokens", "total_tokens", "total_micros", "cost_nanos")
)
BY_DAY = Grouping(("day", "currency"))
BY_LLM = Grouping(("llm_id", "llm_slug", "currency"))
BY_MODEL = Grouping(("model_name", "currency"))
BY_CURRENCY = Grouping(("currency",))


@dataclass(frozen=True, slots=True)
class Group:
    """The events that have one key; ``sums`` are exact and a field that is absent everywhere sums to 0."""

    key: tuple[Any, ...]
    """The values of what was grouped by, in that order."""
    requests: int
    priced: int
    """How many of the events have a cost."""
    sums: dict[str, int]


@dataclass(slots=True)
class Figures:
    """Groups added up."""

    requests: int = 0
    sums: Counter[str] = field(default_factory=Counter)
    cost_nanos: dict[str, int] = field(default_factory=dict)

    def add(self, group: Group) -> None:
        """Take a group in."""
        self.requests += group.requests
        for name, amount in group.sums.items():
            self.sums[name] += amount
        if group.priced:
            currency = _name(group.key[-1]) or ""
            self.cost_nanos[currency] = self.cost_nanos.get(currency, 0) + group.sums["cost_nanos"]


def summary_of(by_outcome: Sequence[Group], by_model: Sequence[Group], start: int, end: int) -> Summary:
    """The summary of groups by ``BY_OUTCOME`` and ``BY_MODEL``."""
    total = _total(_whole(by_outcome))
    hours = Fraction(max(end - start, 0), _HOUR_MICROS)
    latency = Fraction(total.sums["total_micros"], 1_000 * total.requests) if total.requests else None
    return Summary(
        requests=total.requests,
        outcomes=_outcomes(by_outcome),
        prompt_tokens=total.sums["prompt_tokens"],
        response_tokens=total.sums["response_tokens"],
        total_tokens=total.sums["total_tokens"],
        cost_nanos=total.cost_nanos,
        average_latency_ms=None if latency is None else float(latency),
        requests_per_hour=float(total.requests / hours) if hours else 0.0,
        top_models=_models(by_model)[:_TOP_MODELS],
        models_cut=len(by_model) > MAX_GROUPS,
    )


def costs_of(by_day: Sequence[Group], by_llm: Sequence[Group], by_model: Sequence[Group]) -> Costs:
    """The costs of groups by ``BY_DAY``, ``BY_LLM`` and ``BY_MODEL``."""
    total = _total(_whole(by_day))
    return Costs(
        requests=total.requests,
        total=total.cost_nanos,
        average_per_request=_average(total.cost_nanos, total.requests),
        by_llm=tuple(
            LlmFigures(llm_id, slug or "", found.requests, found.sums["total_tokens"], found.cost_nanos)
            for (llm_id, slug), found in _most_used(_added(_whole(by_llm)))
        ),
        by_day=tuple(
            DayFigures(_date(day), found.requests, found.sums["total_tokens"], found.cost_nanos)
            for (day,), found in sorted(_added(by_day).items())
        ),
        by_model=_models(by_model),
        models_cut=len(by_model) > MAX_GROUPS,
    )


def llm_stats_of(by_currency: Sequence[Group]) -> LlmStats:
    """The figures of groups by ``BY_CURRENCY``."""
    total = _total(_whole(by_currency))
    return LlmStats(total.requests, total.sums["total_tokens"], total.cost_nanos)


def _whole(groups: Sequence[Group]) -> Sequence[Group]:
    """The groups, where they are all: a total of some would be a wrong figure."""
    if len(groups) > MAX_GROUPS:
        message = f"more than {MAX_GROUPS:,} days, LLMs or outcomes to add up: ask for a shorter range of time"
        raise EventStoreError(message)
    return groups


def _total(groups: Iterable[Group]) -> Figures:
    total = Figures()
    for group in groups:
        total.add(group)
    return total


def _added(groups: Iterable[Group]) -> dict[tuple[Any, ...], Figures]:
    """By all of the key but the currency."""
    added: dict[tuple[Any, ...], Figures] = {}
    for group in groups:
        key = tuple(map(_name, group.key[:-1]))
        added.setdefault(key, Figures()).add(group)
    return added


def _name(value: Any) -> Any:
    """Names that Elasticsearch does not index are ``None``, there and here."""
    if isinstance(value, str) and len(value.encode("utf-16-le")) // 2 > MAX_KEYWORD_CHARACTERS:
        return None
    return value


def _most_used(added: dict[tuple[Any, ...], Figures]) -> list[tuple[tuple[Any, ...], Figures]]:
    return sorted(added.items(), key=lambda item: (-item[1].requests, *map(_nothing_first, item[0])))


def _nothing_first(value: Any) -> tuple[bool, Any]:
    return value is not None, value


def _outcomes(by_outcome: Iterable[Group]) -> dict[str, int]:
    return {outcome or "": found.requests for (outcome,), found in _most_used(_added(by_outcome))}


def _models(by_model: Sequence[Group]) -> tuple[ModelFigures, ...]:
    return tuple(
        ModelFigures(name, found.requests, found.sums["total_tokens"], found.cost_nanos)
        for (name,), found in _most_used(_added(by_model[:MAX_GROUPS]))
    )


def _average(total: Money, requests: int) -> dict[str, int]:
    return {currency: round(Fraction(nanos, requests)) for currency, nanos in total.items()}


def _date(day: int) -> str:
    return at_micros(day * DAY_MICROS).date().isoformat()
