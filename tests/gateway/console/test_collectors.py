"""Collectors, as their health servers tell; and those that do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.console.collectors import CollectorAwayError, Collectors
from gateway.control.api.problems import Problem

STANDING = {"services": [{"service": "rows", "state": "running", "lag_records": 3, "paused": False}]}


def over(handler: Any, token: str = "") -> Collectors:
    """Two collectors that answer like this."""
    return Collectors(["http://a:1/", "http://b:2"], token, httpx.MockTransport(handler))


async def test_one_that_is_away_hides_no_other() -> None:
    """Each says its own; who is away is named, with the setting."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "b":
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json=STANDING)

    first, second = await over(handler).standing()
    assert (first["problem"], first["services"]) == ("", STANDING["services"])
    assert "http://b:2" in second["problem"]
    assert "console.collectors" in second["problem"]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(404, json={}),
        httpx.Response(200, json=[1]),
        httpx.Response(200, json={"services": {}}),
        httpx.Response(302, headers={"location": "http://evil"}),
        httpx.Response(200, content=b"[" * (5 << 20)),
    ],
)
async def test_whatever_else_is_there_is_no_collector(answer: httpx.Response) -> None:
    """Another server's page, a redirect, a flood: said, never shown, never followed."""
    found = await over(lambda _: answer).standing()
    assert all(each["services"] == [] and "no collector" in each["problem"] for each in found)


async def test_lies_within_an_answer_are_left_out() -> None:
    """A service that is none does not end the page."""
    found = await over(
        lambda _: httpx.Response(200, json={"services": [1, None, {}, {"service": 7}, *STANDING["services"]]})
    ).standing()
    assert found[0]["services"] == STANDING["services"]


async def test_one_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither before its answer nor within it."""
    monkeypatch.setattr("gateway.console.collectors._TIME_LIMIT_SECONDS", 0.05)

    async def drip() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == "a":
            await asyncio.Event().wait()
        return httpx.Response(200, content=drip())

    found = await over(handler).standing()
    assert all("did not answer" in each["problem"] for each in found)


async def test_pausing_shows_the_token_and_declares_json() -> None:
    """As the collector wants it; the name of the service cannot leave its place in the path."""
    asked: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"service": "rows", "paused": True})

    assert (await over(handler, "secret").change(1, "../rows?x", "pause"))["paused"]
    assert asked[0].url.raw_path == b"/services/..%2Frows%3Fx/pause"
    assert (asked[0].headers["authorization"], asked[0].headers["content-type"]) == (
        "Bearer secret",
        "application/json",
    )


async def test_a_refusal_and_an_absence_are_told_apart() -> None:
    """The collector's own reason; no collector of that number; nobody there."""
    refusing = over(lambda _: httpx.Response(401, json={"error": "show server.token"}))
    with pytest.raises(Problem, match=r"show server\.token"):
        await refusing.change(0, "rows", "pause")
    with pytest.raises(Problem, match="no collector 7"):
        await refusing.change(7, "rows", "pause")

    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("x")

    with pytest.raises(CollectorAwayError):
        await over(away).change(0, "rows", "resume")
