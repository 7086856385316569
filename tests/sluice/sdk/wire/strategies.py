"""Whatever may go over the wire, for hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.sdk import App, Context, Headers, User
from sluice.sdk.context import ExchangeFacts

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TEXT_MAPS = st.dictionaries(TEXTS, TEXTS, max_size=4)
BODIES = st.binary(max_size=200)
IDS = st.integers(1, (1 << 32) - 1)
NO_IDS = st.none() | IDS
USER_IDS = st.integers(1, (1 << 63) - 1)
"""A person's number is somebody else's to choose."""
U31 = st.integers(0, (1 << 31) - 1)
I63 = st.integers(0, (1 << 63) - 1)
MICROS = st.integers(1, 4_000_000_000_000_000)
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds have none

_NAMES = st.sampled_from(["accept", "content-type", "x-a", "x-b", "set-cookie", "x_under", "1"])
_VALUES = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=20)
HEADERS = st.lists(st.tuples(_NAMES, _VALUES), max_size=8).map(Headers)
HEADER_VALUES = st.none() | HEADERS

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
JSON_MAPS = st.dictionaries(TEXTS, JSON_VALUES, max_size=4)

APPS = st.builds(
    App,
    id=IDS,
    name=TEXTS,
    description=TEXTS,
    owner_email=TEXTS,
    is_active=st.booleans(),
    monthly_budget_nanos=st.none() | I63,
    budget_reset_day=st.integers(1, 28),
    rate_limit_rpm=U31,
    allowed_ips=st.lists(TEXTS, max_size=3).map(tuple),
    metadata=JSON_MAPS,
    created_at=MICROS,
    updated_at=MICROS,
)
USERS = st.builds(User, id=USER_IDS, email=TEXTS, name=TEXTS, is_active=st.booleans(), metadata=TEXT_MAPS)


FACTS = st.builds(
    ExchangeFacts,
    request_id=TEXTS,
    exchange_id=TEXTS,
    app_id=NO_IDS,
    user_id=st.none() | USER_IDS,
    llm_id=NO_IDS,
    llm_slug=TEXTS,
    vendor=TEXTS,
    traceparent=TEXTS,
    tracestate=TEXTS,
    edge_id=TEXTS,
    edge_namespace=TEXTS,
    claims=TEXT_MAPS,
    metadata=TEXT_MAPS,
)


def for_all(*values: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """A test of many values, however slow the machine is."""

    def decorated(test: Callable[..., None]) -> Callable[[], None]:
        return settings(deadline=None, max_examples=60)(given(*values)(test))

    return decorated


def context_of(facts: ExchangeFacts | None = None) -> Context:
    """A context that offers no services: none are needed here."""
    nothing: Any = None
    return Context(facts or ExchangeFacts(request_id="request-1"), nothing)


def sent(message: Any) -> Any:
    """The message as it arrives: through its bytes."""
    return type(message).FromString(message.SerializeToString())


def same_headers(one: Headers, other: Headers) -> bool:
    """Whether they mean the same: names in whatever order, the values of each in theirs."""
    return set(one) == set(other) and all(one.get_all(name) == other.get_all(name) for name in one)
