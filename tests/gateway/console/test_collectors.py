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


async def test_jobs_stand_beside_services() -> None:
    """What each desk says of its host's jobs; one that has no desk, or wants another token, hides no service."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/services":
            return httpx.Response(200, json=STANDING)
        assert (request.url.path, request.headers["authorization"]) == ("/desk/jobs", "Bearer secret")
        if request.url.host == "b":
            return httpx.Response(401, json={"error": "show server.token as a bearer token"})
        return httpx.Response(200, json={"jobs": [{"job": "january"}, 7]})

    first, second = await over(handler, "secret").standing()
    assert (first["jobs"], first["jobs_problem"]) == ([{"job": "january"}], "")
    assert (second["jobs"], second["services"]) == ([], STANDING["services"])
    assert "console.collectors_token" in second["jobs_problem"]
    old = await over(
        lambda request: httpx.Response(200 if request.url.path == "/services" else 404, json=STANDING)
    ).standing()
    assert "has no desk" in old[0]["jobs_problem"]


async def test_a_desk_is_asked_a_few_things_at_once() -> None:
    """Whoever comes when all turns are taken is told so at once: no page waits for a log that is slow to read."""
    go_on = asyncio.Event()

    async def handler(_: httpx.Request) -> httpx.Response:
        await go_on.wait()
        return httpx.Response(200, json={"counts": []})

    collectors = over(handler)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(collectors.desk(0, "dead-letters")) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Problem, match="at once") as refused:
            await collectors.desk(0, "dead-letters")
        assert refused.value.status == 503
        assert "at once" in (await collectors.reports())[0]["problem"]
        go_on.set()
    assert all(each.result() == {"counts": []} for each in asked)


@pytest.mark.parametrize(
    ("status", "document", "shown"),
    [
        (409, {"error": "a redrive still runs"}, 409),
        (404, {"error": "no such letter"}, 404),
        (404, {}, 502),
        (401, {"error": "show server.token"}, 502),
        (504, {"error": "no answer within 30 s"}, 502),
    ],
)
async def test_a_desk_s_own_words_reach_the_page(status: int, document: dict[str, Any], shown: int) -> None:
    """With a status that says whose fault it is: a token of ours that is wrong is no fault of the visitor's."""
    with pytest.raises(Problem, match=document.get("error", "has no desk")) as refused:
        await over(lambda _: httpx.Response(status, json=document)).desk(0, "dead-letters")
    assert refused.value.status == shown


@pytest.mark.parametrize("content", [b"<html>a proxy</html>", b"[]", b"{}", b'{"counts": "' + b"x" * (4 << 20) + b'"}'])
async def test_what_cannot_be_read_is_no_empty_answer(content: bytes) -> None:
    """That there is no open dead letter is said of an answer that says so alone: neither of a proxy's page nor of
    more than is read."""
    collectors = over(lambda _: httpx.Response(200, content=content))
    with pytest.raises(CollectorAwayError, match="no JSON, or more than 4 MiB"):
        await collectors.desk(0, "dead-letters")
    assert "no JSON" in (await collectors.everybody("jobs"))[0]["problem"]
