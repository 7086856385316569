"""Documents as requests: which go together, under which key, as which bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from collectors.sinks.http.client import gzipped
from collectors.sinks.webhook.settings import (
    COUNT_HEADER,
    IDEMPOTENCY_HEADER,
    KIND_HEADER,
    SIGNATURE_HEADER,
    WebhookSettings,
)
from collectors.sinks.webhook.signature import signature
from schemas.events import Kind

_TYPES = {"json": "application/json", "ndjson": "application/x-ndjson"}


class Item(NamedTuple):
    """One document, and the request it belongs to: fixed when the batch is made, so that retries do not regroup."""

    event_id: str
    body: bytes
    request: int
    kind: Kind


class Request(NamedTuple):
    """What is posted."""

    body: bytes
    headers: Mapping[str, str]


def request_of(items: Sequence[Item], settings: WebhookSettings, at_seconds: int) -> Request:
    """These items in one request. The key depends on the events alone: a retry has the same, a half its own."""
    joined = b"\n".join([item.body for item in items])
    body = joined + b"\n" if settings.body == "ndjson" else b"[" + b",".join([item.body for item in items]) + b"]"
    headers = {
        "content-type": _TYPES[settings.body],
        IDEMPOTENCY_HEADER: idempotency_key(items),
        COUNT_HEADER: str(len(items)),
        KIND_HEADER: items[0].kind,
    }
    if settings.compress:
        body = gzipped(body)
        headers["content-encoding"] = "gzip"
    if secrets := settings.secrets():
        headers[SIGNATURE_HEADER] = signature(secrets, at_seconds, body)
    return Request(body, headers)


def idempotency_key(items: Sequence[Item]) -> str:
    """Of these events in this order."""
    return hashlib.sha256("\n".join([item.event_id for item in items]).encode()).hexdigest()[:32]
