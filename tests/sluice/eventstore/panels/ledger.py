"""Events that panels are asked about, and how they get into a store."""

from __future__ import annotations

import random
from typing import Any

from schemas.codec import EncodedEvent, encode_exchange
from schemas.events import Kind
from schemas.ids import new_exchange_id
from tests.collectors.events import ANALYTICS, BUDGET, COMMON, NOW_MICROS, PROXY_LOG
from tests.sluice.eventstore.worlds import World

DAY = 86_400_000_000
START = NOW_MICROS - NOW_MICROS % DAY - 3 * DAY
HOSTILE = (
    "gpt-4o",
    "",
    "'; DROP TABLE analytics; --",
    '" OR ""="',
    "%_*?\\",
    '{"match_all":{}}',
    "ü\u202e\U0001d54f🙂",
    "A",
    "a",
    "x" * 1024,
    "x" * 1025,
    None,
)
_FIELDS: dict[Kind, Any] = {"proxy_log": PROXY_LOG, "analytics": ANALYTICS, "budget": BUDGET}


def event(kind: Kind = "analytics", /, **changes: Any) -> dict[str, Any]:
    """An event of a new exchange."""
    made = {**COMMON, **_FIELDS[kind], "exchange_id": new_exchange_id(), **changes}
    return {**made, "event_kind": kind, "event_id": f"{made['exchange_id']}-{kind[0]}"}


def encoded(made: dict[str, Any]) -> EncodedEvent:
    """Its bytes, as the gateway writes them."""
    kind = made["event_kind"]
    common: Any = {name: made[name] for name in COMMON}
    parts: dict[str, Any] = {"proxy_log": None, "analytics": None, "budget": None}
    parts[kind] = {name: made[name] for name in _FIELDS[kind]}
    return encode_exchange(common, parts["proxy_log"], parts["analytics"], parts["budget"])[0]


async def write(world: World, events: list[dict[str, Any]]) -> None:
    """Put them into the store."""
    await world.write([encoded(made) for made in events])


def random_analytics(draw: random.Random, app_ids: list[int], amount: int) -> list[dict[str, Any]]:
    """Events of three days; amounts that no double and no 64 bits can add up are among them."""
    vast = (2**53 + 1, 2**63 - 1, -(2**63), -1, 0)
    return [
        event(
            app_id=draw.choice(app_ids),
            occurred_at=draw.randrange(START, START + 3 * DAY),
            llm_id=draw.choice([1, 2, 3, None]),
            vendor=draw.choice(["openai", "anthropic", ""]),
            outcome=draw.choice(["ok", "ok", "answered_by_plugin", "upstream_error", "client_closed"]),
            model_name=draw.choice(HOSTILE),
            currency=draw.choice(["USD", "USD", "EUR", ""]),
            cost_nanos=draw.choice([None, *(draw.randrange(10**9) for _ in range(8)), draw.choice(vast)]),
            total_tokens=draw.choice([None, draw.randrange(10**6), draw.randrange(10**6)]),
            total_micros=draw.randrange(10**8),
            first_byte_micros=draw.choice([None, draw.randrange(10**6)]),
            response_code=draw.choice([200, 429, 502, None]),
            is_stream=draw.random() < 0.3,
            labels=draw.choice([[], ["team:a"], ["team:a", 'odd:"x",y'], ["env:prod", "odd:,"]]),
        )
        for _ in range(amount)
    ]
