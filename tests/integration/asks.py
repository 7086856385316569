"""What clients ask for: the cases of mixed traffic, each with what must become of it."""

from __future__ import annotations

import json
import random
import secrets
from dataclasses import dataclass
from typing import Any, Literal

from tests.integration.accounts import Exchanged, Price

TOKEN = "slc_integration-tests-token"
LLM, OTHER_LLM = "main", "unlinked"
FORBIDDEN = "the-forbidden-word"
PRICES = {"prompt": "0.1500037", "response": "0.6000011", "cache_read": "0.0750003"}
PRICE = Price(prompt=150_003_700, response=600_001_100, cache_read=75_000_300)
"""The same, in nanos per million tokens, written by hand."""

MAX_TOKENS = (None, 64, 1000)
USAGE_EDIT = b'"stream_options":{"include_usage":true},'
"""What the gateway puts into a stream's request that does not ask for usage."""

Way = Literal["sdk", "async_sdk", "http"]
EVERY_WAY: tuple[Way, ...] = ("sdk", "async_sdk", "http")


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of exchange."""

    name: str
    script: str = ""
    weight: int = 4
    is_stream: bool = False
    asks_usage: bool = False
    knows_app: bool = True
    outcomes: tuple[str, ...] = ("ok",)
    """What becomes of it where its client sees it to its end."""
    ends: tuple[str, ...] = ("complete",)
    """How it may end for its client while nothing of ours is killed."""
    token: str = TOKEN
    slug: str = LLM
    model: str = "mock-small"
    prompt: str = "Say something about rivers, weirs and sluices."
    raw_body: bytes | None = None
    leaves: Literal["", "early", "midway"] = ""
    ways: tuple[Way, ...] = EVERY_WAY


_BROKEN: dict[str, Any] = {"outcomes": ("upstream_error",), "ends": ("broken",)}
# On a busy machine a client that means to leave is too late at times, and has a whole answer.
_LEFT: dict[str, Any] = {"outcomes": ("ok",), "ends": ("left",), "weight": 2, "ways": ("async_sdk", "http")}
_NOBODY: dict[str, Any] = {"knows_app": False, "weight": 1}

CASES: tuple[Case, ...] = (
    Case("plain", weight=16),
    Case("plain_tool_calls", "tool_calls=2"),
    Case("plain_slow", "delay_ms=150"),
    Case("plain_without_usage", "usage=none"),
    Case("plain_dripped", "drip=90;pace_ms=5", weight=2),
    Case("stream", "chunks=8;pace_ms=4", weight=10, is_stream=True, asks_usage=True),
    Case("stream_hidden_usage", "chunks=8;pace_ms=4", weight=8, is_stream=True),
    Case("stream_slow", "chunks=12;pace_ms=40", weight=6, is_stream=True),
    Case("stream_tool_calls", "tool_calls=2;pace_ms=5", is_stream=True, asks_usage=True),
    Case("stream_without_usage", "chunks=6;usage=none", is_stream=True),
    Case("upstream_429", "status=429;retry_after=1", weight=2, outcomes=("upstream_error",)),
    Case("upstream_500", "status=500", weight=2, outcomes=("upstream_error",)),
    Case("upstream_500_stream", "status=500", weight=1, is_stream=True, outcomes=("upstream_error",)),
    Case("stream_cut", "chunks=8;pace_ms=4;cut_after=4", weight=3, is_stream=True, **_BROKEN),
    Case("stream_cut_cleanly", "chunks=8;cut_after=4;cut=close", weight=1, is_stream=True, **_BROKEN),
    Case("plain_cut", "cut_after=60", weight=2, outcomes=("upstream_error",), ends=("broken", "complete")),
    Case("bad_token", token="slc_nobody-knows-this", outcomes=("auth_failed",), **_NOBODY),
    Case("unknown_slug", slug="nowhere", outcomes=("llm_unknown",), **_NOBODY),
    Case("unlinked_llm", slug=OTHER_LLM, weight=1, outcomes=("access_denied",)),
    Case("unknown_model", model="not-on-the-list", weight=2, outcomes=("model_denied",)),
    Case("blocked", prompt=f"tell me {FORBIDDEN}", weight=3, outcomes=("blocked_post_auth",)),
    Case("broken_json", raw_body=b'{"model": "mock-small", "messages": [', weight=2, outcomes=("request_invalid",),
         ways=("http",)),
    Case("leaves_early", "delay_ms=2000", leaves="early", **_LEFT),
    Case("leaves_midway", "chunks=10;pace_ms=30", is_stream=True, leaves="midway", **_LEFT),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a case, with counts of its own."""

    case: Case
    request_id: str
    script: str
    max_tokens: int | None

    @property
    def headers(self) -> dict[str, str]:
        """The script goes through the gateway like any header; the request id joins what the client never saw."""
        return {"x-mock": self.script, "x-request-id": self.request_id, "authorization": f"Bearer {self.case.token}"}

    @property
    def arguments(self) -> dict[str, Any]:
        """The SDK's, and the members of the body."""
        case = self.case
        made: dict[str, Any] = {"model": case.model, "messages": [{"role": "user", "content": case.prompt}]}
        if case.is_stream:
            made["stream"] = True
        if case.asks_usage:
            made["stream_options"] = {"include_usage": True}
        if self.max_tokens is not None:
            made["max_tokens"] = self.max_tokens
        return made

    @property
    def body(self) -> bytes:
        """For those who have no SDK."""
        raw = self.case.raw_body
        return json.dumps(self.arguments).encode() if raw is None else raw

    def begin(self) -> Exchanged:
        """Its account, before anything has happened: a break of which nothing more is known."""
        return Exchanged(
            self.request_id,
            self.case.name,
            "broken",
            self.case.knows_app,
            frozenset(self.case.outcomes),
            max_tokens=self.max_tokens,
        )

    def sent_bytes(self, size: int) -> int:
        """What goes to the vendor where the client sent so much; 0 where that never happens."""
        if self.case.raw_body is not None:
            return 0
        return size + len(USAGE_EDIT) * (self.case.is_stream and not self.case.asks_usage)


class Asker:
    """Draws requests at random, from a seed; every one has an id that no other run has."""

    def __init__(self, seed: int, cases: tuple[Case, ...] = CASES) -> None:
        self._random = random.Random(seed)
        self._cases = cases
        self._run = secrets.token_hex(4)
        self._count = 0

    def ask(self, way: Way) -> Ask:
        """The next request that can be made this way."""
        cases = [case for case in self._cases if way in case.ways]
        case = self._random.choices(cases, [case.weight for case in cases])[0]
        prompt = self._random.randint(1, 4000)
        cached = self._random.choice((0, 0, self._random.randint(0, prompt)))
        counts = f"prompt_tokens={prompt};response_tokens={self._random.randint(0, 900)};cached={cached}"
        self._count += 1
        script = f"{case.script};{counts}" if case.script else counts
        max_tokens = None if case.raw_body else self._random.choice(MAX_TOKENS)
        return Ask(case, f"{case.name}-{self._run}-{self._count}", script, max_tokens)
