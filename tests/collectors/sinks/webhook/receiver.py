"""What a receiver of webhooks does: it checks the signature, knows keys that it has seen, and keeps events."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from typing import Any

import orjson

from tests.collectors.sinks.scripted_http import Reply, Request, ScriptedHttp


class Receiver(ScriptedHttp):
    """Keeps what it is sent; refuses a request that holds one of ``refused``."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.events: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.refused: set[str] = set()
        self.refusal = Reply(422, b'{"error":"no"}')

    async def behave(self, request: Request) -> Reply:
        events = events_of(request)
        if any(event["event_id"] in self.refused for event in events):
            return self.refusal
        self.keys.append(request.headers["idempotency-key"])
        self.events += events
        return Reply(202)

    def ids(self) -> Counter[str]:
        return Counter(event["event_id"] for event in self.events)


def events_of(request: Request) -> list[dict[str, Any]]:
    """In either form, by what the request says it is."""
    if request.headers["content-type"] == "application/x-ndjson":
        assert request.body.endswith(b"\n")
        return [orjson.loads(line) for line in request.body.splitlines()]
    found: list[dict[str, Any]] = orjson.loads(request.body)
    return found


def is_signed(request: Request, secret: bytes) -> bool:
    """As the README tells receivers to check it."""
    parts = [part.partition("=") for part in request.headers["x-sluice-signature"].split(",")]
    at = next(value for name, _, value in parts if name == "t")
    expected = hmac.new(secret, at.encode() + b"." + request.sent, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(value, expected) for name, _, value in parts if name == "v1")
