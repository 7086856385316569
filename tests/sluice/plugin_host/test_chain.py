"""A chain runs its plugins in order; whatever one of them does is that plugin's, named and counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.events import PluginTiming
from sluice.plugin_host import gate as gate_module
from sluice.plugin_host.answers import Limits
from sluice.plugin_host.chain import Chain
from sluice.plugin_host.errors import OversizeError, PluginBlocked, PluginFailed
from sluice.plugin_host.gate import Gate
from sluice.plugin_host.processes.faults import NotRunning
from sluice.sdk import (
    Context,
    Headers,
    PluginRequest,
    PluginResponse,
    ResponseWriteResponse,
    StreamCompleteRequest,
    StreamCompleteResponse,
)
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


async def test_a_block_that_cannot_be_said_withholds_all_the_same() -> None:
    """A filter that wants to withhold something, and says so badly, is not one that failed and may be passed by."""
    answer = ResponseWriteResponse.block(451, "x" * 5000)
    place = link("a", answering(answer), hook="response_body", fails_open=True)
    found = await failure(chain(place, hook="response_body"), make_response(body=b"secret"))
    assert found.reason == "message has 5000 characters, more than 4096"
    assert place.failures == 1


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


async def test_a_plugin_s_state_is_its_own() -> None:
    """It lasts as long as the exchange, for the same instance; another instance of the same plugin has another."""

    async def count(ctx: Context, request: PluginRequest) -> PluginResponse:
        ctx.state["n"] = ctx.state.get("n", 0) + 1
        return ALLOW

    facts = ExchangeFacts()
    for _ in range(2):
        await run(chain(link("a", count, key="1"), link("a", count, key="2"), link("b", count, key="1")), facts=facts)
    assert facts.states == {"1": {"n": 4}, "2": {"n": 2}}


@pytest.mark.parametrize("fails_open", [True, False])
async def test_a_plugin_that_fails_and_fails_is_left_alone(fails_open: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every exchange has its failure at once, by name; after the pause one exchange finds out."""
    now, asked, answer = [1_000.0], list[bytes](), list[Any]([None])
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    async def handler(ctx: Context, request: PluginRequest) -> Any:
        asked.append(request.body)
        return answer[0]

    place = link("ill", handler, fails_open=fails_open, gate=Gate(3, 10.0))
    decisions, reason = [], ""
    for body in (b"1", b"2", b"3", b"4", b"5"):
        timings: list[PluginTiming] = []
        try:
            await chain(place).run(ExchangeFacts(), make_request(body), timings)
        except PluginFailed as error:
            reason = error.reason
        decisions.append(timings[0]["decision"])
    assert asked == [b"1", b"2", b"3"]
    assert decisions == ["failed"] * 3 + (["skipped"] * 2 if fails_open else ["failed"] * 2)
    if not fails_open:
        assert reason.startswith("was not called: its breaker is open after 3 failures in a row, the last: answered")
    assert (place.failures, place.tally.not_called) == (3, 2)
    now[0] += 10
    answer[0] = ALLOW
    for body in (b"6", b"7"):
        await run(chain(place), make_request(body))
    assert asked[3:] == [b"6", b"7"]
    assert place.gate.state == "closed"


async def test_only_one_exchange_finds_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are refused meanwhile do not let another one in."""
    asked = list[int]()
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def handler(ctx: Context, request: PluginRequest) -> Any:
        asked.append(1)
        return await answer

    place = link("ill", handler, fails_open=True, timeout_seconds=60.0, gate=Gate(1, 10.0))
    place.gate.failed("once")
    with monkeypatch.context() as patched:
        patched.setattr(gate_module, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 11))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run(chain(place)))
            await asyncio.sleep(0)
            for _ in range(3):
                await run(chain(place))
            answer.set_result(ALLOW)
    assert (len(asked), place.tally.not_called, place.gate.state) == (1, 3, "closed")


@pytest.mark.parametrize("fails_open", [True, False])
async def test_a_process_that_is_restarted_opens_no_breaker(fails_open: bool) -> None:
    """It is called again the moment it is there; meanwhile the policy holds, and the reason says what is being done."""
    away = NotRunning("it does not run now and is started again: its process exited with 1")
    place = link("far", raising(away), fails_open=fails_open, gate=Gate(2))
    decisions = []
    for _ in range(5):
        timings: list[PluginTiming] = []
        with nullcontext() if fails_open else pytest.raises(PluginFailed, match=r"in post_auth: it does not run now"):
            await chain(place).run(ExchangeFacts(), make_request(), timings)
        decisions += [timing["decision"] for timing in timings]
    assert decisions == ["skipped" if fails_open else "failed"] * 5
    assert (place.failures, place.tally.not_called, place.gate.state) == (0, 5, "closed")


@pytest.mark.parametrize("error", [NotRunning("it is started again"), OversizeError(4, 5)])
async def test_a_probe_that_was_not_made_is_made_by_the_next(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """What says nothing of the plugin leaves no breaker half open for ever."""
    errors: list[Exception] = [error]

    async def handler(ctx: Context, request: PluginRequest) -> Any:
        if errors:
            raise errors.pop()
        return ALLOW

    place = link("ill", handler, fails_open=True, on_oversize="skip", gate=Gate(1, 10.0))
    place.gate.failed("once")
    monkeypatch.setattr(gate_module, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 11))
    states = []
    for _ in range(2):
        await run(chain(place))
        states.append(place.gate.state)
    assert states == ["half_open", "closed"]


async def test_a_block_closes_the_breaker() -> None:
    """A plugin that blocks is well."""
    place = link("a", answering(PluginResponse.block()), gate=Gate(2))
    place.gate.failed("once")
    with pytest.raises(PluginBlocked):
        await run(chain(place))
    assert place.gate.failures_in_row == 0


async def test_a_hanging_plugin_holds_no_more_exchanges_than_it_may() -> None:
    """One more fails at once, by name; a client that leaves makes room."""
    reached: list[int] = []

    async def hang(ctx: Context, request: PluginRequest) -> PluginResponse:
        reached.append(1)
        await asyncio.get_running_loop().create_future()
        return ALLOW

    place = link("slow", hang, timeout_seconds=60.0, gate=Gate(max_concurrent=2))
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(run(chain(place))) for _ in range(2)]
        while len(reached) < 2:  # noqa: ASYNC110 - a plugin's life
            await asyncio.sleep(0)
        assert (await failure(chain(place))).reason == (
            "was not called: 2 hooks of it are under way, which is its max_concurrent"
        )
        for task in waiting:
            task.cancel()
    assert len(reached) == 2
    assert (place.gate.under_way, place.gate.is_shut, place.failures) == (0, False, 0)


@pytest.mark.parametrize("hook", ["pre_auth", "response_body"])
async def test_what_a_plugin_cannot_be_given_is_refused_or_passes_by(hook: Any) -> None:
    """As the operator chose; it is no failure of the plugin's, and says who could not take how much."""
    message: Any = make_request(b"12345") if hook == "pre_auth" else make_response(b"12345")
    answer = ALLOW if hook == "pre_auth" else ResponseWriteResponse.allow()
    asked: list[str] = []

    async def behind(ctx: Context, request: Any) -> Any:
        asked.append("behind")
        return answer

    for policy, failing_open in (("refuse", True), ("refuse", False), ("skip", True), ("skip", False)):
        place = link("small", raising(OversizeError(4, 5)), hook=hook, on_oversize=policy, fails_open=failing_open)
        timings: list[PluginTiming] = []
        running = chain(place, link("next", behind, hook=hook), hook=hook)
        if policy == "refuse":
            with pytest.raises(PluginBlocked) as caught:
                await running.run(ExchangeFacts(), message, timings)
            assert (caught.value.plugin, caught.value.hook, caught.value.status_code) == ("small", hook, 413)
            assert caught.value.message == "plugin 'small' cannot be given 5 bytes: its limit is 4"
            assert [timing["decision"] for timing in timings] == ["block"]
        else:
            assert await running.run(ExchangeFacts(), message, timings) is message
            assert [timing["decision"] for timing in timings] == ["skipped", "allow"]
        assert (place.failures, place.tally.oversized, place.gate.failures_in_row) == (0, 1, 0)
    assert asked == ["behind"] * 2


@pytest.mark.parametrize("waits", [False, True])
async def test_a_plugin_that_keeps_the_loop_is_told_of(waits: bool) -> None:
    """It cannot be stopped from within its process, so it is counted and logged; one that only waits long is not."""

    async def blocking(ctx: Context, request: PluginRequest) -> PluginResponse:
        if waits:
            await asyncio.sleep(0)
        time.sleep(0.11)  # noqa: ASYNC251 - what this is about
        return ALLOW

    async def patient(ctx: Context, request: PluginRequest) -> PluginResponse:
        await asyncio.sleep(0.11)
        return ALLOW

    services = RecordingServices()
    places = [link("block", blocking, services=services), link("wait", patient, services=services)]
    await run(chain(*places))
    assert [place.tally.blocked_loop for place in places] == [1, 0]
    (entry,) = services.logger.entries
    assert (entry.event, entry.values["hook"]) == ("plugin blocked the loop", "post_auth")
    assert entry.values["milliseconds"] >= 110


async def test_the_override_of_an_upstream_names_its_plugin() -> None:
    """For the refusal, where the LLM does not list it."""
    facts = ExchangeFacts()
    answer = PluginResponse.modify(context_updates={"upstream_override": "http://other"})
    await run(chain(link("a", answering(ALLOW)), link("router", answering(answer))), facts=facts)
    assert (facts.metadata, facts.overridden_by) == ({"upstream_override": "http://other"}, "router")


COMPLETE = StreamCompleteRequest(b"data: x\n\n", Headers(), 200, 1)


async def test_a_stream_s_end_changes_nothing() -> None:
    """Whatever is answered; what is no answer is that plugin's failure, and the others see the end all the same."""
    seen: list[str] = []

    def looking(name: str, answer: Any) -> Any:
        async def look(ctx: Context, request: StreamCompleteRequest) -> Any:
            seen.append(name)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return link(name, look, hook="stream_complete", fails_open=name != "strict")

    places = [
        looking("none", None), looking("done", StreamCompleteResponse(cached=True)), looking("odd", ALLOW),
        looking("strict", QuietError("why")), looking("large", OversizeError(1, 2)), looking("last", None),
    ]  # fmt: skip
    left, timings = await run(chain(*places, hook="stream_complete"), COMPLETE)
    assert left is COMPLETE
    assert seen == ["none", "done", "odd", "strict", "large", "last"]
    assert [timing["decision"] for timing in timings] == ["allow", "allow", "failed", "failed", "skipped", "allow"]
    assert [place.failures for place in places] == [0, 0, 1, 1, 0, 0]


async def test_a_hundred_megabytes_are_refused_unread() -> None:
    """The bound is looked at before anything is copied or sent."""
    huge = memoryview(bytearray(100 << 20))
    answers = [PluginResponse("modify", body=huge), PluginResponse("block", body=huge)]  # type: ignore[arg-type]
    for answer in answers:
        error = await failure(chain(link("large", answering(answer))))
        assert error.reason == "body has 104857600 bytes, more than 10485760"
