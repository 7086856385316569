"""A chain runs its plugins in order; whatever one of them does is that plugin's, named and counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from schemas.events import PluginTiming
from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain
from sluice.plugin_host.errors import PluginBlocked, PluginFailed
from sluice.sdk import Context, PluginRequest, PluginResponse, ResponseWriteResponse
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.testing import RecordingServices, make_request, make_response
from tests.sluice.plugin_host.plugins import answering, chain, link, raising

ALLOW = PluginResponse.allow()


class QuietError(Exception):
    """An error of a plugin."""


async def run(over: Chain, message: Any = None, facts: ExchangeFacts | None = None) -> tuple[Any, list[PluginTiming]]:
    """What a chain leaves of a request, and its timings."""
    timings: list[PluginTiming] = []
    left = await over.run(facts or ExchangeFacts(), message or make_request(b"{}"), timings)
    return left, timings


async def failure(over: Chain, message: Any = None) -> PluginFailed:
    """How a chain fails."""
    with pytest.raises(PluginFailed) as caught:
        await run(over, message)
    return caught.value


async def test_allow_leaves_the_very_same_message() -> None:
    """Nobody copies what nobody changed."""
    request = make_request()
    left, timings = await run(chain(link("a", answering(ALLOW)), link("b", answering(ALLOW))), request)
    assert left is request
    assert [(timing["plugin"], timing["decision"]) for timing in timings] == [("a", "allow"), ("b", "allow")]


async def test_each_sees_what_the_one_before_it_left() -> None:
    """Body, headers and metadata, in the order of the chain."""
    seen: list[tuple[bytes, dict[str, str]]] = []

    async def append(ctx: Context, request: PluginRequest) -> PluginResponse:
        seen.append((request.body, dict(ctx.metadata)))
        return PluginResponse.modify(body=request.body + b"x", context_updates={"n": str(len(seen))})

    facts = ExchangeFacts()
    left, timings = await run(chain(*(link(name, append) for name in "abc")), make_request(b""), facts)
    assert seen == [(b"", {}), (b"x", {"n": "1"}), (b"xx", {"n": "2"})]
    assert left.body == b"xxx"
    assert facts.metadata == {"n": "3"}
    assert [timing["decision"] for timing in timings] == ["modify"] * 3


async def test_an_empty_chain_does_nothing() -> None:
    """And is false."""
    request = make_request()
    assert not chain()
    assert await run(chain(), request) == (request, [])


async def test_a_block_ends_the_chain() -> None:
    """Who comes later is not asked; the timing says who blocked."""
    asked: list[str] = []

    async def later(ctx: Context, request: PluginRequest) -> PluginResponse:
        asked.append("later")
        return ALLOW

    timings: list[PluginTiming] = []
    blocking = chain(link("first", answering(PluginResponse.block(418, "no"))), link("second", later))
    with pytest.raises(PluginBlocked) as caught:
        await blocking.run(ExchangeFacts(), make_request(), timings)
    assert (caught.value.plugin, caught.value.status_code, caught.value.message) == ("first", 418, "no")
    assert asked == []
    assert [(timing["plugin"], timing["decision"]) for timing in timings] == [("first", "block")]


@pytest.mark.parametrize("fails_open", [True, False])
async def test_a_block_is_no_failure(fails_open: bool) -> None:
    """It ends the exchange whatever the policy for failures is, and counts as none."""
    place = link("a", answering(PluginResponse.block()), fails_open=fails_open)
    with pytest.raises(PluginBlocked):
        await run(chain(place))
    assert place.failures == 0


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (raising(QuietError("why")), "raised QuietError: why"),
        (raising(SystemExit(3)), "raised SystemExit"),
        (raising(KeyboardInterrupt()), "raised KeyboardInterrupt"),
        (raising(asyncio.CancelledError()), "raised CancelledError"),
        (raising(PluginFailed("other", "pre_auth", "forged")), "raised PluginFailed: plugin 'other' failed"),
        (answering(None), "answered NoneType, not PluginResponse"),
        (answering(ResponseWriteResponse.allow()), "answered ResponseWriteResponse, not PluginResponse"),
        (answering(PluginResponse("permit")), "decided 'permit', not allow, modify or block"),  # type: ignore[arg-type]
        (answering(PluginResponse([])), "decided [], not allow, modify or block"),  # type: ignore[arg-type]
        (answering(PluginResponse("modify", body="x")), "body is of type str, not bytes"),  # type: ignore[arg-type]
        (answering(PluginResponse.block(99)), "blocked with status 99"),
    ],
)  # fmt: skip
async def test_a_closed_failure_ends_the_exchange_by_name(handler: Callable[..., Any], reason: str) -> None:
    """Plugin, hook and reason, whatever was raised or answered."""
    place = link("bad", handler)
    error = await failure(chain(place))
    assert (error.plugin, error.hook) == ("bad", "post_auth")
    assert error.reason.startswith(reason)
    assert place.failures == 1


async def test_an_open_failure_goes_on_without_the_plugin() -> None:
    """With the message as the plugin found it, even where its own answer was half good."""
    half = PluginResponse("modify", {"x-a": "1"}, "no bytes", {"left": "behind"})  # type: ignore[arg-type]
    facts = ExchangeFacts()
    places = [
        link("raises", raising(QuietError()), fails_open=True),
        link("lies", answering(half), fails_open=True),
        link("works", answering(PluginResponse.modify(headers={"x-b": "2"}))),
    ]
    left, timings = await run(chain(*places), facts=facts)
    assert dict(left.headers) == {"x-b": "2"}
    assert facts.metadata == {}
    assert [timing["decision"] for timing in timings] == ["failed", "failed", "modify"]
    assert [place.failures for place in places] == [1, 1, 0]


async def test_a_plugin_that_hangs_has_failed_at_its_deadline() -> None:
    """The reason says the deadline; its timing says how long it took; the next one runs."""

    async def hang(ctx: Context, request: PluginRequest) -> PluginResponse:
        await asyncio.get_running_loop().create_future()
        return ALLOW

    slow = link("slow", hang, timeout_seconds=0.02, fails_open=True)
    _, timings = await run(chain(slow, link("next", answering(ALLOW))))
    assert [timing["decision"] for timing in timings] == ["failed", "allow"]
    assert 20_000 <= timings[0]["micros"] < 2_000_000
    assert (await failure(chain(link("slow", hang, timeout_seconds=0.02)))).reason == "no answer within 0.02 s"


async def test_a_client_that_leaves_is_no_failure_of_a_plugin() -> None:
    """A cancellation from outside passes through, is counted for nobody, and still has its timing."""
    reached = asyncio.Event()

    async def wait(ctx: Context, request: PluginRequest) -> PluginResponse:
        reached.set()
        await asyncio.get_running_loop().create_future()
        return ALLOW

    place = link("slow", wait, timeout_seconds=60.0, fails_open=True)
    timings: list[PluginTiming] = []
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(chain(place).run(ExchangeFacts(), make_request(), timings))
        await reached.wait()
        running.cancel()
    assert running.cancelled()
    assert place.failures == 0
    assert [timing["plugin"] for timing in timings] == ["slow"]


async def test_a_handler_that_is_no_coroutine_fails_alone() -> None:
    """A plugin that replaced its method by something else is one more failure."""

    def plain(ctx: Context, request: PluginRequest) -> Any:
        return ALLOW

    assert (await failure(chain(link("odd", plain)))).reason.startswith("raised ")


async def test_a_block_cannot_be_forged() -> None:
    """A plugin that raises our own exception has raised: its status and headers were checked by nobody."""
    forged = PluginBlocked("another", "pre_auth", 99, [(b"x-a", b"1\r\nset-cookie: a=b")], None, "")
    assert (await failure(chain(link("bad", raising(forged))))).plugin == "bad"


async def test_reasons_are_no_longer_than_a_log_line() -> None:
    """A plugin chooses the text of its errors; whatever it is, an event and a log line take it."""
    raised = await failure(chain(link("a", raising(QuietError("x" * 100_000)))))
    answered = await failure(chain(link("a", answering(PluginResponse.modify(headers={"x" * 9_000 + " ": "a"})))))
    assert max(len(raised.reason), len(answered.reason)) <= 220


async def test_a_failing_plugin_is_logged_once_and_counted_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each ten seconds of failing, with how many were not logged before it."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    services = RecordingServices()
    place = link("bad", raising(QuietError("why")), fails_open=True, services=services)
    for _ in range(5):
        await run(chain(place))
    now[0] += 10.0
    await run(chain(place))
    assert place.failures == 6
    assert [entry.values for entry in services.logger.entries] == [
        {"hook": "post_auth", "reason": "raised QuietError: why", "skipped": True, "failures_not_logged": unlogged}
        for unlogged in (0, 4)
    ]


async def test_response_hooks_answer_in_their_own_type() -> None:
    """Only a ``ResponseWriteResponse`` is one, and a hook before the body cannot change it."""
    whole = chain(link("a", answering(ResponseWriteResponse.modify(body=b"new"))), hook="response_body")
    left, _ = await run(whole, make_response(b"old"))
    assert left.body == b"new"
    early = link("a", answering(ResponseWriteResponse.modify(body=b"new")), hook="response_headers")
    error = await failure(chain(early, hook="response_headers"), make_response(b"old"))
    assert "use on_before_write" in error.reason
    wrong = link("a", answering(ALLOW), hook="response_body")
    error = await failure(chain(wrong, hook="response_body"), make_response())
    assert error.reason == "answered PluginResponse, not ResponseWriteResponse"


async def test_the_limits_are_those_of_the_chain() -> None:
    """A body that one more byte makes too large is a failure with the bound."""
    limits = Limits(max_body_bytes=3)
    left, _ = await run(chain(link("a", answering(PluginResponse.modify(body=b"123"))), limits=limits))
    assert left.body == b"123"
    error = await failure(chain(link("a", answering(PluginResponse.modify(body=b"1234"))), limits=limits))
    assert error.reason == "body has 4 bytes, more than 3"


async def test_a_context_is_the_plugin_s_own() -> None:
    """Its services and its runtime, and the exchange's facts."""
    seen: list[tuple[Any, str, int | None]] = []

    async def look(ctx: Context, request: PluginRequest) -> PluginResponse:
        seen.append((ctx.services, ctx.runtime, ctx.app_id))
        return ALLOW

    own = [RecordingServices(), RecordingServices()]
    places = [link("a", look, services=own[0]), link("b", look, services=own[1], runtime="collector")]
    await run(chain(*places), facts=ExchangeFacts(app_id=7))
    assert [(id(services), runtime, app) for services, runtime, app in seen] == [
        (id(own[0]), "gateway", 7),
        (id(own[1]), "collector", 7),
    ]
