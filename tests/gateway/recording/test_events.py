"""From an exchange to its events: which exist, what they keep, and that none is larger than its topic takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exchange import Exchange
from gateway.recording.events import EventBuilder, charges
from gateway.routes import Route
from gateway.snapshot import App
from schemas.events import Kind
from sluice.eventlog.interface import Boot
from sluice.money.usage import Usage
from tests.gateway.test_exchange import a_snapshot, an_attempt, an_exchange
from tests.sluice.eventlog.journal.making import BOOK

BOOT = Boot("gateway-1", "w0", "boot-1")
SNAPSHOT, LLM = a_snapshot()
PRICE = SNAPSHOT.prices.find("openai", "gpt-4o", 1)
MAX_EVENT_BYTES = 1 << 20


def app(bodies: str = "full") -> App:
    """A known app, and what of its bodies is kept."""
    return App(1, "tests", 7, frozenset({1}), bodies)


def ended(**values: Any) -> Exchange:
    """An exchange that went well and cost something."""
    well: dict[str, Any] = {
        "app": app(), "llm": LLM, "outcome": "ok", "model": "gpt-4o", "body": b"question", "response_code": 200,
        "upstream_status": 200, "usage": Usage(10, 5), "price": PRICE, "cost_nanos": 4500, "cost_status": "exact",
        "attempts": [an_attempt()], "response_copy": [b"ans", b"wer"], "response_bytes": 6,
    }  # fmt: skip
    return an_exchange(**{**well, **values})


def built(exchange: Exchange, max_body: int = 1000, max_event: int = MAX_EVENT_BYTES) -> dict[Kind, dict[str, Any]]:
    """The events of an exchange, as a collector reads them; their ids and keys are those of the exchange."""
    events = EventBuilder(BOOT, max_body, max_event).build_all([exchange])[0]
    assert {event.exchange_id for event in events} == {exchange.exchange_id}
    assert len(events[0].tail) <= max_event
    return dict(BOOK.decode(event.value(at)) for at, event in enumerate(events))


def log_of(exchange: Exchange, **limits: int) -> dict[str, Any]:
    """Its proxy log."""
    return built(exchange, **limits)["proxy_log"]


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ({}, {"proxy_log", "analytics", "budget"}),
        ({"cost_nanos": 0}, {"proxy_log", "analytics"}),
        ({"cost_nanos": None, "cost_status": "unpriced"}, {"proxy_log", "analytics"}),
        ({"app": None, "cost_nanos": None}, {"proxy_log"}),
        ({"app": None, "llm": None, "cost_nanos": None}, {"proxy_log"}),
    ],
)
def test_which_events_exist(values: dict[str, Any], kinds: set[str]) -> None:
    """A proxy log always, analytics of a known app, a budget where something is charged."""
    assert set(built(ended(**values))) == kinds


def test_the_events_of_one_exchange_agree() -> None:
    """Who, where, when and how it ended is the same in all; each has its own id."""
    exchange = ended(trace_id="0af7651916cd43dd8448eb211c80319c")
    events = built(exchange)
    shared = ("exchange_id", "request_id", "occurred_at", "completed_at", "gateway_id", "worker", "boot_id", "app_id",
              "user_id", "llm_id", "llm_slug", "vendor", "outcome", "trace_id", "labels")  # fmt: skip
    for name in shared:
        assert len({str(event[name]) for event in events.values()}) == 1, name
    assert {event["event_id"][36:] for event in events.values()} == {"-p", "-a", "-b"}
    log = events["proxy_log"]
    assert (log["app_id"], log["user_id"], log["llm_id"], log["llm_slug"], log["vendor"]) == (1, 7, 1, "demo", "openai")
    assert log["occurred_at"] == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert log["completed_at"] >= log["occurred_at"]


def test_every_value_stands_under_its_own_name() -> None:
    """They go to the encoders by their places, so this is where one in another's place is seen: no two are alike."""
    exchange = ended(
        exchange_id="e" * 36, request_id="asked", user_id=70, trace_id="7" * 32, outcome="success", method="PATCH",
        path="/p", model="gpt-asked", is_stream=True, response_code=201, upstream_status=202, body=b"four",
        headers=[(b"content-type", b"text/asked")], response_headers=[(b"content-type", b"text/answered")],
        response_copy=[b"fives"], response_bytes=5, chunk_count=11, error_kind="kind", error_message="message",
        remote_addr="192.0.2.1", started_ns=1_000_000, first_byte_ns=5_000_000, upstream_started_ns=2_000_000,
        upstream_ended_ns=8_000_000, total_micros=9_000, partial=True, timings=[], reserved_nanos=18,
        response_model="gpt-answered", usage=Usage(21, 12, 6, 3, 2), raw_usage="{}", cost_nanos=13, tool_calls=14,
        choices=15, cost_status="estimated",
    )  # fmt: skip
    assert PRICE is not None
    shared = {
        "exchange_id": "e" * 36, "request_id": "asked", "gateway_id": "gateway-1", "worker": "w0", "boot_id": "boot-1",
        "app_id": 1, "user_id": 70, "llm_id": LLM.id, "llm_slug": LLM.slug, "vendor": LLM.vendor, "outcome": "success",
        "trace_id": "7" * 32, "labels": ["priced:model=gpt-asked"],
    }  # fmt: skip
    ways = {"is_stream": True, "response_code": 201, "partial": True}
    times = {"total_micros": 9_000, "upstream_micros": 6_000, "first_byte_micros": 4_000}
    price = {"currency": PRICE.currency, "price_version": PRICE.version}
    expected: dict[Kind, dict[str, Any]] = {
        "proxy_log": {
            "method": "PATCH", "path": "/p", "model_name": "gpt-asked", "upstream_status": 202,
            "request_headers": ["content-type: text/asked"], "response_headers": ["content-type: text/answered"],
            "request_body": b"four", "request_body_bytes": 4, "request_body_truncated": False,
            "request_content_type": "text/asked", "response_body": b"fives", "response_body_bytes": 5,
            "response_body_truncated": False, "response_content_type": "text/answered", "chunk_count": 11,
            "error_kind": "kind", "error_message": "message", "remote_addr": "192.0.2.1", "plugins": [],
            **ways, **times,
        },
        "analytics": {
            "model_name": "gpt-answered", "prompt_tokens": 21, "response_tokens": 12, "cache_read_prompt_tokens": 6,
            "cache_write_prompt_tokens": 3, "reasoning_tokens": 2, "total_tokens": 33, "raw_usage": "{}",
            "cost_nanos": 13, "price_id": PRICE.id, "cost_status": "estimated", "tool_calls": 14, "choices": 15,
            "attempts": exchange.attempts, **ways, **times, **price,
        },
        "budget": {
            "kind": "usage", "corrects": None, "model_name": "gpt-answered", "tokens_used": 33, "prompt_tokens": 21,
            "completion_tokens": 12, "cost_nanos": 13, "requests_count": 1, "reserved_nanos": 18, **price,
        },
    }  # fmt: skip
    events = built(exchange)
    for kind, values in expected.items():
        event = events[kind]
        charged = event.pop("charges", None)
        assert (charged is not None) == (kind == "budget")
        given = {name: event[name] for name in event if name not in {"event_id", "sequence"}}
        at = {name: given.pop(name) for name in ("occurred_at", "completed_at")}
        assert at["completed_at"] - at["occurred_at"] == timedelta(microseconds=9_000)
        assert given == {**shared, **values}


def test_what_is_not_known_is_absent() -> None:
    """No app is ``None`` and not 0; an LLM that does not exist is what was asked for; no outcome is our fault."""
    log = log_of(an_exchange(route=Route("call", "x" * 9_000, "")))
    assert (log["app_id"], log["user_id"], log["llm_id"], log["vendor"]) == (None, None, None, "")
    assert log["llm_slug"] == "x" * 256
    assert log["outcome"] == "gateway_error"
    assert (log["response_code"], log["upstream_status"], log["upstream_micros"]) == (None, None, None)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ({}, []),
        ({"user": "7", "user_id": 7}, []),
        ({"user": "ada"}, ["user:ada"]),
        ({"user": "x" * 1_000}, ["user:" + "x" * 251]),
        ({"upstream_override": "https://eu.vendor.example:8443/v1"}, ["upstream:eu.vendor.example:8443"]),
        ({"user": "\ud800", "upstream_override": "http://u:p@v/v1"}, ["user:?", "upstream:v"]),
    ],
)
def test_what_no_field_says_is_a_label(values: dict[str, Any], labels: list[str]) -> None:
    """A person without a number, a host that a plugin chose: behind the LLM's own labels, which stay as they are."""
    llm = replace(LLM, labels=["team:red"])
    events = built(ended(llm=llm, **{"user_id": None, **values}))
    assert [event["labels"] for event in events.values()] == [["team:red", *labels]] * 3
    assert llm.labels == ["team:red"]


def test_usage_and_money_are_those_of_the_exchange() -> None:
    """Sums are sums; the budget charges what analytics says it cost."""
    usage = Usage(100, 50, cache_read_prompt_tokens=40, cache_write_prompt_tokens=None, reasoning_tokens=0)
    events = built(ended(usage=usage, reserved_nanos=9, tool_calls=2, choices=3, raw_usage='{"a":1}'))
    analytics, budget = events["analytics"], events["budget"]
    assert (analytics["prompt_tokens"], analytics["response_tokens"], analytics["total_tokens"]) == (100, 50, 150)
    assert (analytics["cache_read_prompt_tokens"], analytics["cache_write_prompt_tokens"]) == (40, None)
    assert (analytics["reasoning_tokens"], analytics["tool_calls"], analytics["choices"]) == (0, 2, 3)
    assert (analytics["price_id"], analytics["currency"], analytics["raw_usage"]) == ("gpt", "USD", '{"a":1}')
    assert (budget["prompt_tokens"], budget["completion_tokens"], budget["tokens_used"]) == (100, 50, 150)
    assert budget["cost_nanos"] == analytics["cost_nanos"] == 4500
    assert (budget["kind"], budget["requests_count"], budget["reserved_nanos"]) == ("usage", 1, 9)
    assert [(charge["scope"], charge["scope_id"]) for charge in budget["charges"]] == [
        ("app", "1"), ("llm", "1"), ("app_llm", "1:1"),
    ]  # fmt: skip


def test_the_model_that_answered_is_charged() -> None:
    """The one asked for stays in the proxy log."""
    events = built(ended(model="gpt-4o", response_model="gpt-4o-2024-08-06"))
    assert events["proxy_log"]["model_name"] == "gpt-4o"
    assert events["analytics"]["model_name"] == events["budget"]["model_name"] == "gpt-4o-2024-08-06"


@pytest.mark.parametrize(
    ("bodies", "request_body", "response_body"),
    [
        ("full", b"question", b"answer"),
        ("metadata", None, None),
        ("none", None, None),
    ],
)
def test_an_app_s_bodies_are_kept_as_it_was_agreed(bodies: str, request_body: Any, response_body: Any) -> None:
    """Whole, or not at all: then their sizes are, and that something is missing."""
    log = log_of(ended(app=app(bodies)))
    assert (log["request_body"], log["response_body"]) == (request_body, response_body)
    assert (log["request_body_bytes"], log["response_body_bytes"]) == (8, 6)
    is_missing = request_body is None
    assert (log["request_body_truncated"], log["response_body_truncated"]) == (is_missing, is_missing)


BODIES = {"request_body", "request_body_truncated", "response_body", "response_body_truncated"}


@pytest.mark.parametrize(
    ("bodies", "max_event", "changed"),
    [
        ("redacted", MAX_EVENT_BYTES, set()),
        ("metadata", MAX_EVENT_BYTES, BODIES),
        (
            "none",
            MAX_EVENT_BYTES,
            {"path", "request_headers", "response_headers", "error_message", "remote_addr"} | BODIES,
        ),
        ("full", 1_000, {"response_body", "response_body_truncated"}),
        ("redacted", 1_000, {"response_body", "response_body_truncated"}),
    ],
)
def test_what_is_taken_out_of_a_log_moves_no_other_value(bodies: str, max_event: int, changed: set[str]) -> None:
    """By a policy, or for want of room in its topic: every other field says what it says in a log that is whole."""
    lines = [(b"content-type", b"text/plain")]
    exchange = ended(
        query=b"page=2", headers=lines, response_headers=lines, response_copy=[b"word " * 180], response_bytes=900,
        error_kind="kind", error_message="message", remote_addr="::1", total_micros=9_000, chunk_count=11,
        is_stream=True, partial=True,
    )  # fmt: skip
    whole = log_of(exchange)
    exchange.app = app(bodies)
    log = log_of(exchange, max_event=max_event)
    assert {name for name in whole if log[name] != whole[name]} == changed


def test_of_strangers_nothing_is_kept_that_they_chose() -> None:
    """No body and no query: a flood of them would fill the log with what anybody wrote."""
    log = log_of(an_exchange(outcome="auth_failed", body=b"secret", query=b"key=secret&a=secret"))
    assert (log["request_body"], log["request_body_bytes"], log["request_body_truncated"]) == (None, 6, True)
    assert log["path"] == "/chat/completions"
    assert "secret" not in str(log)


def test_an_empty_body_is_not_a_missing_one() -> None:
    """Nothing was cut from it."""
    log = log_of(ended(app=app("none"), body=b"", response_copy=[], response_bytes=0))
    assert (log["request_body_truncated"], log["response_body_truncated"]) == (False, False)


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 200))
def test_bodies_are_cut_at_their_bound(body: bytes, max_body: int) -> None:
    """Both sides: a beginning is kept, the true size is told, and whether anything is missing."""
    exchange = ended(body=body, response_copy=[], response_bytes=0)
    exchange.keep_copy(body, max_body)
    log = log_of(exchange, max_body=max_body)
    for side in ("request", "response"):
        kept = log[f"{side}_body"]
        assert body.startswith(kept)
        assert len(kept) <= max_body
        assert log[f"{side}_body_bytes"] == len(body)
        assert log[f"{side}_body_truncated"] == (kept != body)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 60_000), st.integers(0, 60_000), st.integers(4_000, 50_000))
def test_an_event_fits_its_topic(request_bytes: int, response_bytes: int, max_event: int) -> None:
    """Whatever the bodies: they are cut by what is too much, and their true sizes are kept."""
    exchange = ended(
        body=b"q" * request_bytes, response_copy=[b"a" * response_bytes],
        response_bytes=response_bytes,
    )  # fmt: skip
    log = log_of(exchange, max_body=100_000, max_event=max_event)
    assert (log["request_body_bytes"], log["response_body_bytes"]) == (request_bytes, response_bytes)
    assert log["request_body_truncated"] == (len(log["request_body"]) < request_bytes)
    assert log["response_body_truncated"] == (len(log["response_body"]) < response_bytes)


def test_a_response_that_is_whole_is_not_said_to_be_cut() -> None:
    """An empty one cannot be."""
    exchange = ended(body=b"q" * 60_000, response_copy=[], response_bytes=0)
    assert not log_of(exchange, max_body=100_000, max_event=30_000)["response_body_truncated"]


def test_credentials_are_masked_both_ways() -> None:
    """In headers and in the query."""
    exchange = ended(
        headers=[(b"authorization", b"Bearer s3cret"), (b"content-type", b"application/json"), (b"x-a", b"1")],
        response_headers=[(b"set-cookie", b"id=s3cret"), (b"content-type", b"text/plain")],
        query=b"a=1&api_key=s3cret",
    )
    log = log_of(exchange)
    assert "s3cret" not in str(log)
    assert log["request_headers"] == ["authorization: Bearer ***", "content-type: application/json", "x-a: 1"]
    assert log["path"] == "/chat/completions?a=1&api_key=***"
    assert (log["request_content_type"], log["response_content_type"]) == ("application/json", "text/plain")


@pytest.mark.parametrize(
    ("values", "name", "limit"),
    [
        ({"path": "/" + "x" * 100_000}, "path", 4096),
        ({"query": b"q=" + b"x" * 100_000}, "path", 4096),
        ({"error_message": "x" * 100_000}, "error_message", 1024),
        ({"model": "x" * 100_000}, "model_name", 256),
        ({"headers": [(b"content-type", b"x" * 10_000)]}, "request_content_type", 256),
    ],
)
def test_every_text_has_its_bound(values: dict[str, Any], name: str, limit: int) -> None:
    """What a client or a vendor wrote is cut; the event is not refused for it."""
    assert len(log_of(ended(**values))[name]) == limit


def test_headers_have_their_bound() -> None:
    """The last line counts what is not there."""
    lines = log_of(ended(headers=[(b"x-%d" % number, b"y" * 1000) for number in range(200)]))["request_headers"]
    assert sum(len(line.encode()) for line in lines) <= 32_768
    assert lines[-1].startswith("x-sluice-truncated: ")


def test_times_are_those_that_were_measured() -> None:
    """Micros; absent where it did not come so far."""
    exchange = ended(upstream_started_ns=10_000, upstream_ended_ns=3_010_000)
    exchange.first_byte_ns = exchange.started_ns + 2_000_000
    log = log_of(exchange)
    assert (log["upstream_micros"], log["first_byte_micros"]) == (3_000, 2_000)
    assert log["total_micros"] >= 0
    assert log_of(ended(upstream_started_ns=10_000))["upstream_micros"] is None
    assert log_of(ended(upstream_started_ns=10_000, terminal_ns=2_010_000))["upstream_micros"] == 2_000


def test_the_trace_goes_beside_the_events() -> None:
    """For every one of them."""
    events = EventBuilder(BOOT, 1000, MAX_EVENT_BYTES).build_all([ended(traceparent="00-1-2-01")])[0]
    assert {event.traceparent for event in events} == {"00-1-2-01"}


TEXT = st.text(max_size=30)


@settings(deadline=None)
@given(model=st.none() | TEXT, error_message=TEXT, path=TEXT, request_id=TEXT, remote_addr=TEXT,
       headers=st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=4),
       query=st.binary(max_size=20), raw_usage=st.none() | TEXT, response_model=st.none() | TEXT)  # fmt: skip
def test_nothing_that_others_wrote_loses_an_event(**values: Any) -> None:
    """Half a surrogate, control characters, bytes that are no text: three events that can be read."""
    assert set(built(ended(**values))) == {"proxy_log", "analytics", "budget"}


def micros(*date: int) -> int:
    """Micros of a moment in UTC."""
    return int(datetime(*date, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("at", "period", "start", "end"),
    [
        (micros(2024, 2, 29, 23, 59, 59) + 999_999, "2024-02-01", micros(2024, 2, 1), micros(2024, 3, 1)),
        (micros(2024, 3, 1), "2024-03-01", micros(2024, 3, 1), micros(2024, 4, 1)),
        (micros(2024, 12, 31, 23, 59, 59), "2024-12-01", micros(2024, 12, 1), micros(2025, 1, 1)),
    ],
)
def test_an_exchange_is_charged_to_the_month_of_its_admission(at: int, period: str, start: int, end: int) -> None:
    """The calendar month in UTC, to the microsecond; for the app, the LLM and the app on the LLM."""
    found = charges(3, 5, at)
    assert [(charge["scope"], charge["scope_id"]) for charge in found] == [
        ("app", "3"),
        ("llm", "5"),
        ("app_llm", "3:5"),
    ]
    assert {(charge["period_id"], charge["period_start"], charge["period_end"]) for charge in found} == {
        (period, start, end)
    }


def test_an_app_s_periods_are_its_own() -> None:
    """Its reset day and its zone hold for the app and the app on the LLM; the LLM has its own day, in UTC."""
    at = micros(2024, 3, 9, 23, 30, 0)
    app, llm, app_llm = charges(3, 5, at, app_reset_day=10, llm_reset_day=9, time_zone="Europe/Berlin")
    assert app["period_start"] == app_llm["period_start"] == micros(2024, 3, 9, 23, 0, 0)
    assert (app["period_id"], llm["period_id"]) == ("2024-03-10", "2024-03-09")
    assert llm["period_start"] == micros(2024, 3, 9)


@settings(deadline=None)
@given(st.integers(0, 4_000_000_000_000_000))
def test_every_moment_lies_in_its_period(at: int) -> None:
    """From its start to just before its end, in every scope; the same month is the same charges."""
    for charge in charges(1, 2, at):
        assert charge["period_start"] <= at < charge["period_end"]
    assert charges(1, 2, at) == charges(1, 2, at)
