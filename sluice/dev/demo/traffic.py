"""Two dozen exchanges through the gateway, of every kind that a first look should see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from sluice.dev.demo.cast import (
    FLASH,
    HAIKU,
    LLAMA,
    MISTRAL_SMALL,
    NEWCOMER_ID,
    OPUS,
    REPORTS,
    RESEARCH,
    REVIEW,
    SEARCH,
    SONNET,
    SUPPORT,
    TRIAL,
    Model,
    Team,
)  # fmt: skip
from sluice.dev.demo.files import FORBIDDEN
from sluice.dev.demo.state import DemoState

TIMEOUT_SECONDS = 30.0
_NEWCOMERS_MODEL = "mock-small"


@dataclass(frozen=True, slots=True)
class Sent:
    """One exchange as its client saw it."""

    kind: str
    exchange_id: str
    status: int


@dataclass(frozen=True, slots=True)
class Kind:
    """Exchanges of one kind."""

    name: str
    count: int = 1
    script: str = ""
    """What the mock vendor is told in ``x-mock``."""
    llm: str = "demo"
    prompt: str = "Why is the sky blue?"
    streams: bool = False
    leaves: bool = False
    with_token: bool = True
    app: int = NEWCOMER_ID
    model: str = _NEWCOMERS_MODEL
    max_tokens: int = 0

    def but(self, **changes: Any) -> Kind:
        """The same, changed."""
        return replace(self, **changes)

    @property
    def path(self) -> str:
        """The newcomer's are in the vendor's own dialect, the teams' in OpenAI's, which the gateway translates."""
        if self.app == NEWCOMER_ID:
            return f"/llm/call/{self.llm}/chat/completions"
        return f"/ai/{self.llm}/v1/chat/completions"

    @property
    def body(self) -> dict[str, object]:
        """What is asked."""
        asked: dict[str, object] = {
            "model": self.model,
            "messages": [{"role": "user", "content": self.prompt}],
            "stream": self.streams,
        }
        return asked | ({"max_tokens": self.max_tokens} if self.max_tokens else {})


def asked_by(
    team: Team, model: Model, script: str, count: int = 1, *, streams: bool = False, max_tokens: int = 0
) -> Kind:
    """What a team asks of one of its models."""
    return Kind(
        team.name,
        count,
        script,
        model.llm.slug,
        team.prompts[0],
        streams,
        app=team.id,
        model=model.name,
        max_tokens=max_tokens,
    )


_DEAR = "prompt_tokens=200;response_tokens=2100"
_DEAR_TOKENS = 2400
"""Three answers of this size cost 94 % of the trial's budget, and a fourth might cost more than what is left."""
TOO_DEAR = asked_by(TRIAL, OPUS, _DEAR, max_tokens=_DEAR_TOKENS)

KINDS = (
    Kind("plain", 3, "prompt_tokens=1200;response_tokens=350;cached=400;chunks=11"),
    Kind("streamed", 2, "prompt_tokens=900;response_tokens=700;chunks=11;pace_ms=5", streams=True),
    asked_by(SUPPORT, HAIKU, "prompt_tokens=1500;response_tokens=240;cached=900;chunks=12;pace_ms=20", 2, streams=True),
    asked_by(SEARCH, MISTRAL_SMALL, "prompt_tokens=310;response_tokens=60;delay_ms=120", 2),
    asked_by(REVIEW, SONNET, "prompt_tokens=6400;response_tokens=800;cached=4000;delay_ms=300"),
    asked_by(RESEARCH, LLAMA, "prompt_tokens=900;response_tokens=420;delay_ms=2600"),
    TOO_DEAR.but(count=4),
    asked_by(REPORTS, FLASH, "prompt_tokens=9000;response_tokens=1100", REPORTS.requests_a_minute + 1),
    Kind("blocked", prompt=f"Please {FORBIDDEN} and answer."),
    Kind("refused", with_token=False),
    Kind("failing", script="status=500"),
    Kind("unreachable", llm="broken"),
    Kind("disconnecting", script="chunks=50;pace_ms=10", streams=True, leaves=True),
)


async def send_traffic(address: str, state: DemoState) -> list[Sent]:
    """Send all of it, one after another; raises httpx.HTTPError where the gateway does not answer."""
    async with open_client(address) as client:
        return [await send(client, kind, state) for kind in KINDS for _ in range(kind.count)]


def open_client(address: str) -> httpx.AsyncClient:
    """A client of the gateway there."""
    return httpx.AsyncClient(base_url=address, timeout=TIMEOUT_SECONDS)


async def send(client: httpx.AsyncClient, kind: Kind, state: DemoState) -> Sent:
    """One exchange, to its end or to where its client leaves."""
    async with _open(client, kind, state) as answer:
        if kind.leaves:
            async for _ in answer.aiter_raw():
                break  # closing the response now closes the connection: this client has seen enough
        else:
            await answer.aread()
        return Sent(kind.name, answer.headers.get("x-sluice-exchange-id", ""), answer.status_code)


@asynccontextmanager
async def _open(client: httpx.AsyncClient, kind: Kind, state: DemoState) -> AsyncIterator[httpx.Response]:
    token = state.token_of(kind.app) if kind.with_token else "not-a-token"
    headers = {"authorization": f"Bearer {token}", "x-mock": kind.script}
    async with client.stream("POST", kind.path, json=kind.body, headers=headers) as answer:
        yield answer
