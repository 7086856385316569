"""A little traffic while the demo serves: a team asks something every few seconds, so that charts move."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import httpx
import structlog

from sluice.dev.demo.cast import TEAMS, TRIAL, Model, Team
from sluice.dev.demo.files import FORBIDDEN
from sluice.dev.demo.state import DemoState
from sluice.dev.demo.traffic import TOO_DEAR, Kind, asked_by, open_client, send

PAUSE_SECONDS = 9.0
"""On the average: about as many an hour as in a busy hour of the history."""
_MAX_DELAY_SECONDS = 4.0
_PIECES = 12

logger = structlog.get_logger(__name__)


async def trickle(address: str, state: DemoState, pause: Callable[[], float] | None = None) -> None:
    """Until it is cancelled, whatever the gateway answers, also where it does not. ``pause``: seconds before each."""
    chance = random.Random()
    async with open_client(address) as client:
        while True:
            await asyncio.sleep(pause() if pause else chance.expovariate(1 / PAUSE_SECONDS))
            try:
                await send(client, next_kind(chance), state)
            except httpx.HTTPError as error:
                logger.debug("no answer to a team of the demo", error=str(error))


def next_kind(chance: random.Random) -> Kind:
    """What is asked next: teams as often as they ask in the history, and now and then one of what goes wrong."""
    (team,) = chance.choices(TEAMS, [team.daily for team in TEAMS])
    if team is TRIAL:
        return TOO_DEAR
    (model,) = chance.choices([model for model, _ in team.uses], [weight for _, weight in team.uses])
    streams = chance.random() < team.streams
    kind = asked_by(team, model, _script(team, model, chance, streams=streams), streams=streams)
    return _changed(kind, chance)


def _script(team: Team, model: Model, chance: random.Random, *, streams: bool) -> str:
    prompt, response = (
        max(1, int(median * chance.lognormvariate(0, 0.4))) for median in (team.prompt_tokens, team.response_tokens)
    )
    delay = min(model.first_byte_seconds * chance.lognormvariate(0, 0.35), _MAX_DELAY_SECONDS)
    parts = {
        "prompt_tokens": prompt,
        "response_tokens": response,
        "cached": int(prompt * team.cached),
        "reasoning": int(response * model.reasoning),
        "tool_calls": int(chance.random() < team.tools),
        "delay_ms": int(delay * 1000),
        "chunks": _PIECES,
        "pace_ms": chance.randint(10, 60) if streams else 0,
    }
    return ";".join(f"{key}={value}" for key, value in parts.items())


def _changed(kind: Kind, chance: random.Random) -> Kind:
    left = chance.random()
    if left < 0.02:
        return kind.but(prompt=f"Please {FORBIDDEN} and answer.")
    if left < 0.035:
        return kind.but(script="status=503")
    if left < 0.045:
        return kind.but(with_token=False)
    if left < 0.07 and kind.streams:
        return kind.but(leaves=True)
    return kind
