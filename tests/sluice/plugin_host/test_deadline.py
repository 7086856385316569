"""Tests of ``sluice.plugin_host.deadline``: whatever a coroutine does, its host goes on, and goes on in time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from sluice.plugin_host.deadline import DeadlineExpired, EscapeAttempted, begin_within, run_within

# What swallows everything is closed by the interpreter some day, which then complains in whatever test runs.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def collected_here() -> Iterator[None]:
    """What a test left behind complains while the mark above still holds, and not in the test of somebody else.

    What was there before is not walked through each time: after thousands of tests that takes a second.
    """
    gc.freeze()
    yield
    gc.collect()
    gc.unfreeze()


SHORT = 0.02
"""A deadline that is meant to pass."""

BOUND = 2.0
"""How long anything here may take on a busy machine."""


async def forever() -> None:
    """Wait for what never comes."""
    await asyncio.get_running_loop().create_future()


async def hang() -> None:
    """A hook that waits."""
    await forever()


async def hang_in_small_steps() -> None:
    """A hook that gives the loop back and never ends."""
    while True:  # noqa: ASYNC110 - it waits for nothing
        await asyncio.sleep(0)


async def swallow_cancellation() -> None:
    """A hook that waits on, however often it is cancelled."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await forever()


async def swallow_in_small_steps() -> None:
    """The same without ever waiting for a future."""
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)


async def swallow_everything() -> None:
    """A hook that does not even let itself be closed; bounded, or its collection would never end."""
    for _ in range(1_000_000):
        with contextlib.suppress(BaseException):
            await asyncio.sleep(0)


async def answer_too_late() -> str:
    """A hook that answers when it is cancelled."""
    with contextlib.suppress(asyncio.CancelledError):
        await forever()
    return "late"


async def raise_while_cancelled() -> None:
    """A hook whose cleaning up fails."""
    try:
        await forever()
    finally:
        raise ValueError("while cleaning up")


async def exit_while_closed() -> None:
    """A hook that waits on when it is cancelled, and tries to end the process when it is closed."""
    while True:
        try:
            await forever()
        except GeneratorExit:
            raise SystemExit(1) from None
        except asyncio.CancelledError:
            continue


async def after_a_turn(result: Any = None, error: BaseException | None = None) -> Any:
    """A hook that waits a little, then ends."""
    await asyncio.sleep(0)
    if error is not None:
        raise error
    return result


async def at_once(result: Any = None, error: BaseException | None = None) -> Any:
    """A hook that waits for nothing."""
    if error is not None:
        raise error
    return result


@pytest.fixture(autouse=True)
async def bound() -> AsyncIterator[None]:
    """No test here may hang."""
    async with asyncio.timeout(BOUND):
        yield


@pytest.mark.parametrize("hook", [at_once, after_a_turn])
async def test_the_result_is_the_coroutine_s(hook: Callable[..., Coroutine[Any, Any, Any]]) -> None:
    """Whether it waited or not."""
    assert await run_within(hook("result"), BOUND) == "result"


async def test_a_hook_that_does_not_wait_arms_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline costs nothing until it is needed."""
    armed: list[float] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda seconds, _: armed.append(seconds))
    assert await run_within(at_once(7), 1.0) == 7
    assert armed == []


async def test_it_runs_in_the_task_of_its_caller() -> None:
    """Timeouts and cancel scopes of the libraries a plugin uses are bound to the task that they begin in."""

    async def whose() -> list[Any]:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        return [before, asyncio.current_task()]

    assert await run_within(whose(), BOUND) == [asyncio.current_task()] * 2


@pytest.mark.parametrize(
    "hook",
    [
        hang,
        hang_in_small_steps,
        swallow_cancellation,
        swallow_in_small_steps,
        answer_too_late,
        raise_while_cancelled,
        exit_while_closed,
    ],
)
async def test_what_does_not_end_in_time_is_ended(hook: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Whatever it waits for, whatever it swallows, whatever it says then."""
    with pytest.raises(DeadlineExpired):
        await run_within(hook(), SHORT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_what_cannot_be_closed_is_left_behind() -> None:
    """Even a coroutine that ignores its own end holds nobody up."""
    with pytest.raises(DeadlineExpired):
        await run_within(swallow_everything(), SHORT)


@pytest.mark.parametrize("hook", [at_once, after_a_turn])
async def test_errors_pass(hook: Callable[..., Coroutine[Any, Any, Any]]) -> None:
    """As they were raised; a plugin's own TimeoutError is no deadline."""
    for error in (ValueError("wrong"), TimeoutError("own")):
        with pytest.raises(type(error)) as raised:
            await run_within(hook(error=error), BOUND)
        assert raised.value is error


@pytest.mark.parametrize("hook", [at_once, after_a_turn])
@pytest.mark.parametrize("escape", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
async def test_what_would_end_more_than_itself_does_not(
    hook: Callable[..., Coroutine[Any, Any, Any]], escape: type[BaseException]
) -> None:
    """A plugin cannot end the process, nor the exchange, by what it raises."""
    with pytest.raises(EscapeAttempted, match=escape.__name__):
        await run_within(hook(error=escape()), BOUND)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_timeout_within_the_plugin_works() -> None:
    """``asyncio.timeout`` cancels the task it is in; that is no cancellation from outside."""

    async def careful() -> str:
        try:
            async with asyncio.timeout(SHORT):
                await forever()
        except TimeoutError:
            return "gave up"
        return "unreachable"

    assert await run_within(careful(), BOUND) == "gave up"


async def test_a_task_group_within_the_plugin_works() -> None:
    """Also one whose member fails, which cancels the others."""

    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(forever())
            group.create_task(after_a_turn(error=ValueError("member")))

    with pytest.raises(ExceptionGroup):
        await run_within(grouped(), BOUND)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("hook", [hang, hang_in_small_steps, swallow_cancellation, answer_too_late])
async def test_a_cancellation_from_outside_passes(hook: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """The client left: the hook is cancelled, and what it swallows does not keep the exchange alive."""
    started = asyncio.Event()
    cancelled = False

    async def exchange() -> None:
        nonlocal cancelled
        started.set()
        try:
            await run_within(hook(), SHORT)
        except asyncio.CancelledError:
            cancelled = True
            raise

    async with asyncio.TaskGroup() as group:
        task = group.create_task(exchange())
        await started.wait()
        task.cancel()
    assert cancelled


async def test_a_cancellation_passes_a_task_group_within_the_plugin() -> None:
    """A group that is being left when the client leaves does not keep the cancellation."""
    started = asyncio.Event()

    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(forever())
            started.set()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_within(grouped(), BOUND))
        await started.wait()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_cancellation_is_not_lost_in_a_hook_that_cannot_be_closed() -> None:
    """The deadline ends the hook, the cancellation ends the exchange."""
    started = asyncio.Event()

    async def exchange() -> None:
        started.set()
        await run_within(swallow_everything(), SHORT)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(exchange())
        await started.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def test_a_hook_may_clean_up_when_it_is_cancelled() -> None:
    """It has a grace for what must be awaited then, such as closing a connection."""
    closed = False

    async def tidy() -> None:
        nonlocal closed
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            closed = True

    with pytest.raises(DeadlineExpired):
        await run_within(tidy(), SHORT)
    assert closed


async def test_what_is_no_future_cannot_be_waited_for() -> None:
    """An awaitable of another event loop library fails by name instead of hanging."""

    class Foreign:
        def __await__(self) -> Any:
            yield "trio"

    async def foreign() -> None:
        await Foreign()
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="cannot wait for str"):
        await run_within(foreign(), BOUND)


async def test_it_is_known_how_long_the_loop_was_kept() -> None:
    """The longest time between two things that were waited for; waiting itself keeps nobody, nor does what raises go
    unnoticed."""

    async def computing(seconds: float, error: Exception | None = None) -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0.03)
        time.sleep(seconds)  # noqa: ASYNC251 - what this is about
        if error is not None:
            raise error
        await asyncio.sleep(0)

    quick = [begin_within(computing(0), BOUND) for _ in range(5)]  # a busy machine may keep one of them from its end
    for each in quick:
        await each
    slow = begin_within(computing(0.03), BOUND)
    await slow
    raising = begin_within(computing(0.03, ValueError("late")), BOUND)
    with pytest.raises(ValueError, match="late"):
        await raising
    assert min(each.held_ns for each in quick) < 30_000_000 <= min(slow.held_ns, raising.held_ns)
