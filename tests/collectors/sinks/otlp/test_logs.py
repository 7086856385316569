"""A proxy log as a log record, by the conventions, with what identifies it."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.sinks.otlp.logs import EVENT_NAME, LogItem, log_records, logs_request, record_sizes
from collectors.sinks.otlp.settings import OtlpSettings
from tests.collectors.events import NOW_MICROS
from tests.collectors.sinks.otlp.receiver import attributes_of
from tests.contracts.sink_laws import LogPart


def record(settings: dict[str, Any] | None = None, **changes: Any) -> Any:
    """One record."""
    [made] = log_records(LogPart().frame("proxy_log", 1, **changes).rows, OtlpSettings.model_validate(settings or {}))
    return made


def test_a_record_says_what_happened() -> None:
    """When, in which trace, to whose model, with what end; and which event it is."""
    made = record()
    assert made.event_name == EVENT_NAME
    assert made.time_unix_nano == NOW_MICROS * 1_000
    assert made.observed_time_unix_nano == (NOW_MICROS + 1_500) * 1_000
    assert made.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    found = attributes_of(made)
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "http.request.method": "POST",
        "url.path": "/v1/chat/completions",
        "http.response.status_code": 200,
        "http.request.body.size": 18,
        "sluice.app_id": 7,
        "sluice.is_stream": False,
        "sluice.total_micros": 1_500,
        "sluice.labels": ["team:a", "env:prod"],
    }
    assert expected.items() <= found.items()
    assert found["sluice.event_id"].endswith("-p")
    assert "error.type" not in found
    assert "sluice.user_id" not in found


@pytest.mark.parametrize(
    ("changes", "severity", "error"),
    [
        ({}, "INFO", None),
        ({"outcome": "rate_limited", "response_code": 429}, "WARN", "rate_limited"),
        ({"outcome": "upstream_timeout", "response_code": 504, "error_kind": "timeout_read"}, "ERROR", "timeout_read"),
        ({"outcome": "client_closed", "response_code": None}, "ERROR", "client_closed"),
    ],
)
def test_severity_is_whose_fault_it_was(changes: dict[str, Any], severity: str, error: str | None) -> None:
    """Refusals warn, failures are errors; the type is the finer of what is known."""
    made = record(**changes)
    assert made.severity_text == severity
    assert attributes_of(made).get("error.type") == error


def test_contents_only_when_asked_for() -> None:
    """Bodies and headers hold what people wrote; the query of a path may hold a key."""
    secret: dict[str, Any] = {
        "request_body": b"hidden",
        "request_headers": ["x-a: hidden"],
        "path": "/v1/chat/completions?k=hidden",
    }
    assert "hidden" not in str(record(**secret))
    made = record({"include_bodies": True, "include_headers": True}, **secret | {"response_body": b"\xff"})
    held = {pair.key: pair.value.string_value for pair in made.body.kvlist_value.values}
    assert held == {"request": "hidden", "response": "\ufffd"}
    assert attributes_of(made)["http.request.header.x-a"] == ["hidden"]


def test_headers_that_repeat_are_one_attribute() -> None:
    """Keys of attributes are unique; some receivers refuse the record otherwise."""
    lines = ["Set-Cookie: a", "set-cookie: b:c", "broken", ""]
    made = record({"include_headers": True}, response_headers=lines)
    keys = [pair.key for pair in made.attributes]
    assert len(keys) == len(set(keys))
    assert attributes_of(made)["http.response.header.set-cookie"] == ["a", "b:c"]


@pytest.mark.parametrize("given", [{}, {"include_bodies": True}, {"include_headers": True}])
def test_sizes_are_near_the_truth(given: dict[str, Any]) -> None:
    """Never much too small, so that no request is refused for a size that was not foreseen."""
    settings = OtlpSettings.model_validate(given)
    lines = [f"x-{at}: {'v' * 90}" for at in range(40)]
    for changes in ({}, {"request_body": b"x" * 50_000}, {"request_headers": lines}, {"response_body": None}):
        rows = LogPart().frame("proxy_log", 1, **changes).rows
        [guessed], [made] = record_sizes(rows, settings), log_records(rows, settings)
        assert made.ByteSize() <= guessed <= made.ByteSize() + 6_000


def test_a_request_groups_by_gateway() -> None:
    """Who made the event is the resource; its name is the operator's."""
    settings = OtlpSettings.model_validate({"resource_attributes": {"deployment.environment.name": "prod"}})
    items = [LogItem(f"e{at}", f"gw-{at % 2}", record(), 0) for at in range(5)]
    found = logs_request(items, settings)
    sizes = [len(within.scope_logs[0].log_records) for within in found.resource_logs]
    names = [attributes_of(within.resource) for within in found.resource_logs]
    assert sizes == [3, 2]
    assert names[1] == {
        "service.name": "sluice", "service.instance.id": "gw-1", "deployment.environment.name": "prod",
    }  # fmt: skip
