"""Policies: what each keeps, in every event, and that nothing else is in their bytes."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.exchange import Exchange
from gateway.recording.events import EventBuilder
from gateway.recording.keeping import SLOW_BYTES, Keeping
from gateway.snapshot import App
from schemas.codec import EncodedEvent
from sluice.privacy.bodies import BodyRedactor
from sluice.privacy.settings import BodyPolicy, RulesSettings
from tests.gateway.recording.test_events import BOOT, ended
from tests.sluice.eventlog.journal.making import BOOK

ADA = b"ada@example.com"
BODY = b'{"to": "ada@example.com", "marker": "qzx"}'
MAX_BODY = 1_000


def events_of(
    exchange: Exchange, default: BodyPolicy = "full", rules: dict[str, Any] | None = None
) -> list[EncodedEvent]:
    """The events of an exchange, by a gateway of this policy and these rules."""
    keeping = Keeping(default, BodyRedactor(RulesSettings.model_validate(rules or {})), MAX_BODY)
    return EventBuilder(BOOT, MAX_BODY, 1 << 20, keeping).build_all([exchange])[0]


def log_of(events: Sequence[EncodedEvent]) -> dict[str, Any]:
    """The proxy log among them."""
    return BOOK.decode(events[0].value(0))[1]


def telling(bodies: str, body: bytes = BODY, **values: Any) -> Exchange:
    """An exchange of an app of this policy that says things everywhere."""
    return ended(
        app=App(1, "tests", 7, frozenset({1}), bodies),
        **{
            "body": body, "response_copy": [body], "response_bytes": len(body),
            "headers": [(b"x-mail", ADA), (b"content-type", b"application/json")],
            "response_headers": [(b"x-mail", ADA), (b"content-type", b"application/json")],
            "query": b"mail=ada%40example.com&qzx=1", "error_message": "of ada@example.com", "remote_addr": "192.0.2.7",
            "user": "ada@example.com", "user_id": None, **values,
        },
    )  # fmt: skip


def test_redacted_hides_in_every_field() -> None:
    """Bodies, header lines, query, message, labels: no event has the value; sizes are those of what passed."""
    events = events_of(telling("redacted"))
    log = log_of(events)
    assert not any(ADA in event.value(at) or b"%40" in event.value(at) for at, event in enumerate(events))
    assert log["request_body"] == log["response_body"] == BODY.replace(ADA, b"[email]")
    assert (log["request_body_bytes"], log["response_body_bytes"]) == (len(BODY), len(BODY))
    assert (log["request_body_truncated"], log["response_body_truncated"]) == (False, False)
    assert log["request_headers"][0] == log["response_headers"][0] == "x-mail: [email]"
    assert log["path"].endswith("?mail=[email]&qzx=1")
    assert (log["error_message"], log["labels"]) == ("of [email]", ["user:[email]"])


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("request_body", "request_body"), ("response_body", "response_body"), ("request_headers", "request_headers"),
        ("response_headers", "response_headers"), ("path", "path"), ("error_message", "error_message"),
        ("labels", "labels"),
    ],
)  # fmt: skip
def test_only_the_fields_that_are_named_are_redacted(field: str, name: str) -> None:
    """The others are as they came."""
    redacted = log_of(events_of(telling("redacted"), rules={"fields": [field]}))
    full = log_of(events_of(telling("full")))
    fields = ("request_body", "response_body", "request_headers", "response_headers", "path", "error_message", "labels")
    assert {each for each in fields if redacted[each] != full[each]} == {name}


def test_metadata_has_no_bodies() -> None:
    """In no event; headers, query, sizes and types stay, and that something is missing is said."""
    events = events_of(telling("metadata", query=b"a=1"))
    log = log_of(events)
    assert not any(b"qzx" in event.value(at) for at, event in enumerate(events))
    assert (log["request_body"], log["response_body"]) == (None, None)
    assert (log["request_body_bytes"], log["response_body_truncated"]) == (len(BODY), True)
    assert log["request_headers"]
    assert log["path"].endswith("?a=1")


def test_none_has_nothing_that_anybody_said() -> None:
    """Nor sent along: no header lines, query, message, address."""
    log = log_of(events_of(telling("none", user="")))
    assert "ada" not in str(log)
    assert "qzx" not in str(log)
    assert (log["request_headers"], log["response_headers"], log["remote_addr"]) == ([], [], "")
    assert (log["request_body_bytes"], log["request_content_type"]) == (len(BODY), "application/json")


@pytest.mark.parametrize("default", ["full", "redacted", "metadata", "none"])
def test_an_app_that_says_nothing_has_the_gateways_policy(default: BodyPolicy) -> None:
    """And one that says something has its own."""
    by_default = log_of(events_of(telling("default"), default))
    itself = log_of(events_of(telling(default)))
    differs = {name for name in itself if itself[name] != by_default[name]}
    assert differs <= {"completed_at", "total_micros", "event_id", "exchange_id", "request_id", "occurred_at"}


@pytest.mark.parametrize("body", [b"\xff\xfeID3" + ADA, gzip.compress(ADA)])
def test_what_is_no_text_is_not_kept(body: bytes) -> None:
    """Also where its coding is not said."""
    log = log_of(events_of(telling("redacted", body)))
    assert (log["request_body"], log["request_body_truncated"]) == (None, True)
    assert (log["response_body"], log["response_body_bytes"]) == (None, len(body))


def test_a_coded_answer_is_kept_decoded() -> None:
    """Its size is what passed."""
    body = gzip.compress(BODY)
    headers = [(b"content-encoding", b"gzip"), (b"content-type", b"application/json")]
    log = log_of(events_of(telling("redacted", body, response_headers=headers)))
    assert log["response_body"] == BODY.replace(ADA, b"[email]")
    assert log["response_body_bytes"] == len(body)


def test_a_secret_across_the_cut_is_not_kept() -> None:
    """Of what is too long the last word goes before rules are asked."""
    body = b"x " * (MAX_BODY // 2 - 8) + b"sk-ant-api03-" + b"aB3" * 20
    log = log_of(events_of(telling("redacted", body)))
    assert b"sk-" not in log["request_body"]
    assert log["request_body_truncated"]
    assert log["request_body_bytes"] == len(body)


def test_only_large_bodies_that_are_redacted_are_slow() -> None:
    """The others pay a comparison and are made where they are."""
    keeping = Keeping("full", BodyRedactor(RulesSettings()), 1 << 20)
    large = b"x" * (SLOW_BYTES + 1)
    assert not keeping.is_slow(telling("full", large))
    assert not keeping.is_slow(telling("default", large))
    assert not keeping.is_slow(telling("redacted", b"x"))
    assert keeping.is_slow(telling("redacted", large))
    assert [keeping.redacts(telling(bodies)) for bodies in ("full", "default", "redacted")] == [False, False, True]


@pytest.mark.parametrize("bodies", ["full", "redacted", "metadata", "none"])
def test_a_path_in_the_in_flight_file_is_as_its_policy_keeps_it(bodies: str) -> None:
    """Whoever recovers an exchange that a kill cut knows no policy: its slot has only what the log may have."""
    exchange = telling(bodies, path="/llm/x/of/ada@example.com/" + "4111111111111111" * (bodies == "redacted"))
    keeping = Keeping("full", BodyRedactor(RulesSettings()), MAX_BODY)
    kept = EventBuilder(BOOT, MAX_BODY, 1 << 20, keeping).kept_path(exchange)
    assert kept == log_of(events_of(exchange))["path"].partition("?")[0]
    assert ("ada@" in kept) == (bodies != "redacted")
