"""The traffic while the demo serves, sent to the vendor itself, which takes the gateway's paths as well as its own."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from sluice.dev.demo import trickle as trickle_module
from sluice.dev.demo.cast import TEAMS, TRIAL
from sluice.dev.demo.files import FORBIDDEN
from sluice.dev.demo.state import prepare
from sluice.dev.demo.trickle import next_kind, trickle
from sluice.dev.servers.ports import free_port
from sluice.dev.vendor import MockVendor
from sluice.dev.vendor.script import Script, parse_script


class EnoughError(Exception):
    """Three exchanges were tried."""


def test_every_team_asks_and_now_and_then_something_goes_wrong() -> None:
    """Streams, blocked prompts, bad tokens, failing vendors, clients that leave; each by a script the vendor knows."""
    chance = random.Random(7)
    kinds = [next_kind(chance) for _ in range(2000)]
    assert {kind.app for kind in kinds} == {team.id for team in TEAMS}
    assert any(kind.streams for kind in kinds)
    for wrong in (
        [kind for kind in kinds if FORBIDDEN in kind.prompt],
        [kind for kind in kinds if not kind.with_token],
        [kind for kind in kinds if kind.script == "status=503"],
        [kind for kind in kinds if kind.leaves],
        [kind for kind in kinds if kind.app == TRIAL.id],
    ):
        assert 0 < len(wrong) < 100
    for kind in kinds:
        assert parse_script(kind.script, Script()).delay_ms <= 4000


async def test_it_goes_on_until_it_is_ended(
    tmp_path: Path, mock_vendor: MockVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With each team's own token."""
    monkeypatch.setattr(trickle_module, "_MAX_DELAY_SECONDS", 0.0)
    monkeypatch.setattr(trickle_module, "_PIECES", 1)
    state = prepare(tmp_path, real=False)
    async with asyncio.timeout(90), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(trickle(mock_vendor.url.removesuffix("/v1"), state, lambda: 0.0))
        while len(mock_vendor.requests) < 5:  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.01)
        task.cancel()
    known = {f"Bearer {state.token_of(team.id)}" for team in TEAMS} | {"Bearer not-a-token"}
    assert {request.header("authorization") for request in mock_vendor.requests} <= known


async def test_a_gateway_that_is_away_does_not_end_it(tmp_path: Path) -> None:
    """It may be on its way back; the next exchange is tried after the next pause."""
    asked = 0

    def pause() -> float:
        nonlocal asked
        asked += 1
        if asked == 4:
            raise EnoughError
        return 0.0

    async with asyncio.timeout(90):
        with pytest.raises(EnoughError):
            await trickle(f"http://127.0.0.1:{free_port()}", prepare(tmp_path, real=False), pause)
