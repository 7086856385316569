"""Exchanges as they come."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from gateway.console import live
from gateway.console.live import MAX_READERS, LiveFeed, Look
from gateway.control.api.problems import Problem
from sluice.clock import now_micros
from tests.gateway.console.running import Console, Ledger, running, written


def frames_of(text: str) -> list[tuple[str, Any]]:
    """Names and contents of an event stream."""
    return [(part.split("\n")[0][7:], orjson.loads(part.split("\n")[1][6:])) for part in text.split("\n\n") if part]


async def test_what_is_new_is_shown_once(tmp_path: Path) -> None:
    """The first look shows what there is, oldest first; the next what came since, also where it began earlier."""
    ledger = Ledger()
    first = ledger.add(1, now_micros() - 60_000_000)
    async with running(tmp_path, ledger.events) as console:
        look = Look(console.parts, ())
        assert [row["exchange_id"] for row in (await look.again())["exchanges"]] == [first]
        assert (await look.again())["exchanges"] == []
        late = Ledger()
        second, third = late.add(2, now_micros() - 300_000_000), late.add(3, now_micros())
        written(console.services.settings.data_dir, late.events)
        found = await look.again()
        assert [row["exchange_id"] for row in found["exchanges"]] == [second, third]
        assert not found["is_more"]


async def test_more_than_a_page_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more came than is shown, the page is told so; not at the first look, which begins somewhere."""
    monkeypatch.setattr(live, "PAGE", 5)
    ledger = Ledger()
    for number in range(8):
        ledger.add(number, now_micros() - 1_000_000)
    async with running(tmp_path, ledger.events) as console:
        look = Look(console.parts, ())
        assert not (await look.again())["is_more"]
        late = Ledger()
        for number in range(20, 28):
            late.add(number, now_micros())
        written(console.services.settings.data_dir, late.events)
        assert (await look.again())["is_more"]


async def test_the_stream_begins_goes_on_and_ends_with_the_worker(console: Console, admin: httpx.AsyncClient) -> None:
    """Frames until the worker stops, at once then; the count of readers is given back."""
    console.parts.live.look_seconds = 0.01
    console.stop.set()
    answer = await admin.get("live")
    assert answer.headers["content-type"].startswith("text/event-stream")
    [(name, content)] = frames_of(answer.text)
    assert (name, bool(content["exchanges"])) == ("exchanges", True)
    assert console.parts.live.readers == 0


async def test_a_revoked_token_ends_the_stream(console: Console) -> None:
    """With a word for it, at the next look."""
    console.parts.live.look_seconds = 0.05
    text, token_id = await console.token("console.read")
    async with console.client(text) as client, asyncio.TaskGroup() as tasks:
        streaming = tasks.create_task(client.get("live"))
        while not console.parts.live.readers:  # noqa: ASYNC110 - until it streams; pytest's timeout ends it
            await asyncio.sleep(0)
        await console.revoke(token_id)
    assert frames_of(streaming.result().text)[-1][0] == "signed_out"


async def test_trouble_is_said_and_it_goes_on(
    console: Console, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that goes away is told to the page; the stream is there when it is back."""
    monkeypatch.setattr(live, "_TROUBLE_SECONDS", 0.01)
    console.parts.live.look_seconds = 0.01
    looks = 0

    async def failing(*_: Any) -> Any:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise Problem(503, "events_unavailable", "the store is away")
        if looks == 3:
            console.stop.set()
        return [], None

    monkeypatch.setattr(live, "find_rows", failing)
    answer = await admin.get("live")
    assert [name for name, _ in frames_of(answer.text)] == ["exchanges", "trouble", "exchanges"]


def test_so_many_look_and_no_more() -> None:
    """One more is refused with what still works."""
    feed = LiveFeed(asyncio.Event())
    with ExitStack() as stack:
        for _ in range(MAX_READERS):
            stack.enter_context(feed.reader())
        with pytest.raises(Problem, match="list of exchanges"), feed.reader():
            pass
    assert feed.readers == 0
