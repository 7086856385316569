"""Reading events back, from the events database or from Elasticsearch: one interface, the same answers.

Every figure comes from **analytics events**: one for each exchange of a known app, whatever its outcome. Times are
microseconds since the epoch, ranges are ``[start, end)`` and their bounds are rounded down to the millisecond, the
finest that Elasticsearch tells apart. Money is nanos by currency; sums are exact, however large.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.events import Kind

Document = Mapping[str, Any]
"""An event under its own field names, as it was recorded: times in micros, bodies as bytes, lists as lists."""

Money = Mapping[str, int]
"""Nanos by currency; a currency in which no cost is known is not there."""

MAX_DOCUMENTS = 10_000  # Elasticsearch's default max_result_window
MAX_PAGE = 1_000
MAX_GROUPS = 10_000
"""Days, LLMs or models that one answer adds up."""
TIME_LIMIT_SECONDS = 5.0

SUCCESSFUL = frozenset({"ok", "answered_by_plugin"})
"""The outcomes of requests that did what the client asked; all others are failures."""


class EventStoreError(Exception):
    """The store refused, is away or takes too long; the message says what to do and holds no credential."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of events, newest first, and how many there are in all."""

    items: list[Document]
    total: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """Every event of one exchange."""

    proxy_log: Document | None
    analytics: Document | None
    budgets: tuple[Document, ...]
    """The usage, and corrections behind it; empty where the exchange cost nothing."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """What went over the wire in one exchange, as far as it was recorded; a body that was not is ``None``."""

    exchange_id: str
    method: str
    path: str
    response_code: int | None
    occurred_at: int
    request_body: bytes | None
    request_content_type: str
    request_body_truncated: bool
    request_body_replaced: bool
    """Whether bytes that were no UTF-8 were replaced: Elasticsearch keeps text, the database keeps bytes."""
    response_body: bytes | None
    response_content_type: str
    response_body_truncated: bool
    response_body_replaced: bool


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What requests for one model came to."""

    model_name: str | None
    """``None`` for requests without a model, and for names longer than 1,024 characters."""
    requests: int
    total_tokens: int
    cost_nanos: Money


@dataclass(frozen=True, slots=True)
class LlmFigures:
    """What requests to one LLM came to; an LLM that was renamed is there under each slug."""

    llm_id: int | None
    llm_slug: str
    requests: int
    total_tokens: int
    cost_nanos: Money


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What the requests of one UTC day came to."""

    day: str
    """``YYYY-MM-DD``."""
    requests: int
    total_tokens: int
    cost_nanos: Money


@dataclass(frozen=True, slots=True)
class Summary:
    """How an app fared."""

    requests: int
    outcomes: Mapping[str, int]
    """Requests by terminal outcome."""
    prompt_tokens: int
    response_tokens: int
    total_tokens: int
    cost_nanos: Money
    average_latency_ms: float | None
    """From admission to outcome; ``None`` without requests."""
    requests_per_hour: float
    """Over the whole range asked for."""
    top_models: tuple[ModelFigures, ...]
    """The most used first, at most ten."""
    models_cut: bool
    """Whether there were more than ``MAX_GROUPS`` models, so that ``top_models`` is of some of them only."""

    @property
    def successful(self) -> int:
        """Requests whose outcome is in ``SUCCESSFUL``."""
        return sum(count for outcome, count in self.outcomes.items() if outcome in SUCCESSFUL)

    @property
    def failed(self) -> int:
        """All the others."""
        return self.requests - self.successful

    @property
    def errors(self) -> dict[str, int]:
        """The failed requests by outcome."""
        return {outcome: count for outcome, count in self.outcomes.items() if outcome not in SUCCESSFUL}


@dataclass(frozen=True, slots=True)
class Costs:
    """What an app spent; requests whose cost is unknown (unpriced) count as requests and cost nothing."""

    requests: int
    total: Money
    average_per_request: Money
    """Each total over **all** requests, rounded half-even to the nano."""
    by_llm: tuple[LlmFigures, ...]
    """The most used first."""
    by_day: tuple[DayFigures, ...]
    """In order; days without a request are not there."""
    by_model: tuple[ModelFigures, ...]
    """The most used first, at most ``MAX_GROUPS``."""
    models_cut: bool
    """Whether there were more, so that ``by_model`` is less than the total."""


@dataclass(frozen=True, slots=True)
class LlmStats:
    """What an LLM has done for all apps since the oldest event that is kept."""

    requests: int
    total_tokens: int
    cost_nanos: Money


class EventStore(Protocol):
    """Where events are read. Nothing found, or nothing ever written, is an empty answer.

    Every method may raise ``EventStoreError``, after its time limit at the latest.
    """

    async def count_events(self, kind: Kind) -> int:
        """How many events of a kind are there, those written a moment ago included."""
        ...

    async def documents(self, kind: Kind, exchange_ids: Iterable[str]) -> list[Document]:
        """The events of these exchanges, at most ``MAX_DOCUMENTS``."""
        ...

    async def analytics_events(
        self, app_id: int, page: int, limit: int, start: int | None = None, end: int | None = None
    ) -> EventPage:
        """One page of an app's analytics events, by ``occurred_at`` and then ``event_id``, the highest first.

        Pages begin with 1 and hold 1 to ``MAX_PAGE``: ValueError. Elasticsearch knows the order of events by the
        millisecond; within one, ids decide alone.
        """
        ...

    async def exchange(self, exchange_id: str) -> Exchange:
        """All events of one exchange, asked for by its id or that of any of its events."""
        ...

    async def bodies(self, exchange_id: str) -> Bodies | None:
        """The bodies of one exchange, asked for by its id or that of any of its events."""
        ...

    async def summary(self, app_id: int, start: int, end: int) -> Summary:
        """How an app fared in a range of time."""
        ...

    async def costs(self, app_id: int, start: int, end: int) -> Costs:
        """What an app spent in a range of time."""
        ...

    async def llm_stats(self, llm_id: int) -> LlmStats:
        """What an LLM has done."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
