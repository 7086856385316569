"""What data collectors are given, one event at a time, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

_NANOS = Decimal(1_000_000_000)


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    """What every event has."""

    event_id: str
    """Unique; the same again where an event is delivered twice."""
    exchange_id: str = ""
    """Joins the three events of one exchange."""
    request_id: str = ""
    occurred_at: datetime
    """Aware, UTC: when the exchange was admitted."""
    app_id: int = 0
    """0 is none."""
    user_id: int = 0
    llm_id: int = 0
    llm_slug: str = ""
    vendor: str = ""
    outcome: str = ""
    fields: Mapping[str, Any] = {}
    """Every field of the event, by its name in the log."""

    @property
    def timestamp(self) -> datetime:
        """The same as ``occurred_at``."""
        return self.occurred_at


class ProxyLogData(_Event, frozen=True, kw_only=True):
    """One request and its response, as the app's policy lets them be kept."""

    request_body: bytes = b""
    response_body: bytes = b""
    response_code: int = 0


class AnalyticsData(_Event, frozen=True, kw_only=True):
    """Tokens and cost of one exchange."""

    model_name: str = ""
    prompt_tokens: int = 0
    response_tokens: int = 0
    cache_write_prompt_tokens: int = 0
    cache_read_prompt_tokens: int = 0
    total_tokens: int = 0
    cost_nanos: int = 0
    currency: str = "USD"
    tool_calls: int = 0
    choices: int = 0

    @property
    def cost(self) -> Decimal:
        """In currency units."""
        return Decimal(self.cost_nanos) / _NANOS


class BudgetUsageData(_Event, frozen=True, kw_only=True):
    """What one exchange was charged."""

    tokens_used: int = 0
    cost_nanos: int = 0
    requests_count: int = 1
    prompt_tokens: int = 0
    completion_tokens: int = 0
    period_start: datetime
    period_end: datetime

    @property
    def cost(self) -> Decimal:
        """In currency units."""
        return Decimal(self.cost_nanos) / _NANOS


class DataCollectionResponse(msgspec.Struct, frozen=True):
    """What became of an event: ``success`` and ``handled`` acknowledge it, no ``success`` asks for it again."""

    success: bool = True
    handled: bool = True
    message: str = ""
    metadata: Mapping[str, str] = {}

    @staticmethod
    def done() -> DataCollectionResponse:
        """Durable where it should be: acknowledged."""
        return _DONE

    @staticmethod
    def passed() -> DataCollectionResponse:
        """Seen, and none of ours: to be stored elsewhere."""
        return _PASSED

    @staticmethod
    def failed(message: str) -> DataCollectionResponse:
        """Not taken now; it comes again."""
        return DataCollectionResponse(success=False, handled=False, message=message)


class BatchResponse(msgspec.Struct, frozen=True):
    """What became of the events of a frame: an outcome for each row that is not simply done."""

    outcomes: Mapping[int, DataCollectionResponse] = {}
    """By the row's position."""

    @staticmethod
    def of(outcomes: Sequence[DataCollectionResponse]) -> BatchResponse:
        """One for each row, in order."""
        return BatchResponse(dict(enumerate(outcomes)))


_DONE = DataCollectionResponse()
_PASSED = DataCollectionResponse(handled=False)
