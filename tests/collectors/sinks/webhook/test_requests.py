"""Requests: their bytes, their headers, and the key that a retry has again."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest

from collectors.sinks.webhook.requests import Item, idempotency_key, request_of
from collectors.sinks.webhook.settings import WebhookSettings

ITEMS = [Item(f"e{number}", orjson.dumps({"event_id": f"e{number}"}), 0, "analytics") for number in range(3)]


def settings(**given: Any) -> WebhookSettings:
    """With what is given, and defaults."""
    return WebhookSettings.model_validate({"url": "http://localhost/", **given})


def test_an_array_and_lines() -> None:
    """Both hold every document, in order, and say what they are."""
    array = request_of(ITEMS, settings(), 1)
    assert orjson.loads(array.body) == [{"event_id": f"e{number}"} for number in range(3)]
    assert array.headers["content-type"] == "application/json"
    lines = request_of(ITEMS, settings(body="ndjson"), 1)
    assert lines.body == b'{"event_id":"e0"}\n{"event_id":"e1"}\n{"event_id":"e2"}\n'
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert array.headers["x-sluice-events"] == "3"
    assert array.headers["x-sluice-kind"] == "analytics"


def test_what_is_signed_is_what_is_sent() -> None:
    """Also where it is compressed; without a secret there is no signature to mistake for one."""
    packed = request_of(ITEMS, settings(compress=True, signing_secret="s"), 7)
    plain = request_of(ITEMS, settings(signing_secret="s"), 7)
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["x-sluice-signature"] != plain.headers["x-sluice-signature"]
    assert packed.headers["x-sluice-signature"].startswith("t=7,v1=")
    assert "x-sluice-signature" not in request_of(ITEMS, settings(), 7).headers


def test_the_key_is_the_events() -> None:
    """Not the time, not the form, not the process: the same events are the same request."""
    keys = {request_of(ITEMS, settings(body=body), at).headers["idempotency-key"] for body, at in
            (("json", 1), ("ndjson", 2))}  # fmt: skip
    assert keys == {idempotency_key(ITEMS)}


@pytest.mark.parametrize("other", [ITEMS[:2], ITEMS[1:], ITEMS[::-1], [*ITEMS, ITEMS[0]]])
def test_other_events_have_another_key(other: list[Item]) -> None:
    """A half, an order, one more: a receiver that answers from memory must not take one for another."""
    assert idempotency_key(other) != idempotency_key(ITEMS)
