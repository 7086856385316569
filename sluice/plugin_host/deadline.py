"""Runs a plugin's coroutine within a deadline that costs nothing until it is needed.

A coroutine is first driven by hand: most hooks return without waiting for anything, and then no timer was armed. One
that waits is carried on in the very task that it began in (its own timeouts and cancel scopes are bound to that task),
between it and the loop stands a waiter of ours. At the deadline what it waits for is cancelled; if it goes on waiting,
it is closed after a grace, whatever it swallows. What never gives the loop back cannot be stopped from within its
process.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

_GRACE_SECONDS = 0.1  # for what must be awaited while being cancelled, such as closing a connection


class DeadlineExpired(Exception):  # noqa: N818 - mirrors TimeoutError, which plugins raise themselves
    """The coroutine still waited for something at its deadline."""


class EscapeAttempted(Exception):  # noqa: N818 - what happened, kept apart from errors of ours
    """It raised what would have ended more than itself: ``SystemExit``, a cancellation that nobody asked for, …"""


async def run_within(coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
    """The coroutine's result. Raises an ``Exception``, or DeadlineExpired; only a cancellation from outside passes."""
    begun = begin_within(coroutine, seconds)
    result: T = await begun if begun.__class__ is Waiting else begun
    return result


def begin_within(coroutine: Coroutine[Any, Any, Any], seconds: float) -> Any:
    """``run_within`` without a coroutine of its own: the result, or a ``Waiting`` to be awaited for it."""
    try:
        awaited = coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    except Exception:
        raise
    except BaseException as escape:
        raise EscapeAttempted(type(escape).__name__) from escape
    return Waiting(coroutine, awaited, seconds)


class _Step(NamedTuple):
    """Where a coroutine stands: at its result, or at the next thing that it waits for."""

    is_result: bool
    value: Any


def _resume(coroutine: Coroutine[Any, Any, Any], error: BaseException | None) -> _Step:
    try:
        return _Step(False, coroutine.send(None) if error is None else coroutine.throw(error))
    except StopIteration as stop:
        return _Step(True, stop.value)
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as escape:
        raise EscapeAttempted(type(escape).__name__) from escape


def _is_leaked(coroutine: Any) -> bool:
    """Whether a TaskGroup within the plugin asked for the cancellation that has just come, and will not take it back.

    Before Python 3.13 that is so for one whose member fails while it is being left; unseen, a failed member would look
    like a client that left.
    """
    if sys.version_info >= (3, 13):
        return False
    awaiting = coroutine
    while awaiting is not None:
        frame = getattr(awaiting, "cr_frame", None)
        if frame is not None and frame.f_code is asyncio.TaskGroup.__aexit__.__code__:
            return bool(frame.f_locals["self"]._parent_cancel_requested)  # noqa: SLF001 - nobody else knows it
        awaiting = getattr(awaiting, "cr_await", None) or getattr(awaiting, "gi_yieldfrom", None)
    return False


class Waiting:
    """Carries on a coroutine that waits for ``awaited``, in the task that awaits this."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], awaited: Any, seconds: float) -> None:
        self._coroutine = coroutine
        self._awaited = awaited
        self._seconds = seconds
        self._alarms = 0
        self._leaked_cancellations = 0
        self._waiter: asyncio.Future[None] | None = None
        self.held_ns = 0
        """The longest that the coroutine kept the loop for, between two things that it waited for."""

    def __await__(self) -> Generator[Any, Any, Any]:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        cancelling_before = task.cancelling() if task else 0
        self._timer = self._loop.call_later(self._seconds, self._alarm)
        result, failure = None, None
        try:
            result = yield from self._drive()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - raised again below, as what it means
            failure = error
        finally:
            self._timer.cancel()
            self._close()
        if task and self._is_cancelled_from_outside(task, cancelling_before):
            raise asyncio.CancelledError from failure
        if self._alarms:
            raise DeadlineExpired from failure
        if isinstance(failure, asyncio.CancelledError):
            raise EscapeAttempted("CancelledError") from failure
        if failure is not None:
            raise failure
        return result

    def _is_cancelled_from_outside(self, task: asyncio.Task[Any], cancelling_before: int) -> bool:
        for _ in range(self._leaked_cancellations):
            task.uncancel()
        return task.cancelling() > cancelling_before

    def _drive(self) -> Generator[Any, Any, Any]:
        while True:
            error = yield from self._wait()
            began = time.perf_counter_ns()
            try:
                step = _resume(self._coroutine, error)
            finally:
                self.held_ns = max(self.held_ns, time.perf_counter_ns() - began)
            if step.is_result:
                return step.value
            self._awaited = step.value

    def _wait(self) -> Generator[Any, Any, BaseException | None]:
        """Until what the coroutine waits for is done; returns what is to be raised in it."""
        if self._awaited is None:
            return (yield from self._pause())
        if not hasattr(self._awaited, "_asyncio_future_blocking"):
            return RuntimeError(f"cannot wait for {type(self._awaited).__name__}")
        self._awaited._asyncio_future_blocking = False  # noqa: SLF001 - asyncio's protocol for who took a future over
        self._awaited.add_done_callback(self._wake)
        while not self._awaited.done():
            alarms = self._alarms
            self._waiter = self._loop.create_future()
            try:
                yield from self._waiter
            except asyncio.CancelledError:
                self._leaked_cancellations += _is_leaked(self._coroutine)
                self._awaited.cancel()
            if self._alarms > alarms:
                self._expire()
                self._awaited.cancel()
        return None

    def _pause(self) -> Generator[Any, Any, BaseException | None]:
        """``asyncio.sleep(0)``: one turn of the loop."""
        alarms = self._alarms
        try:
            yield None
        except asyncio.CancelledError as error:
            self._leaked_cancellations += _is_leaked(self._coroutine)
            return error
        if self._alarms == alarms:
            return None
        self._expire()
        return asyncio.CancelledError()

    def _alarm(self) -> None:
        self._alarms += 1
        self._timer = self._loop.call_later(_GRACE_SECONDS, self._alarm)
        self._wake()

    def _wake(self, _awaited: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _expire(self) -> None:
        if self._alarms > 1:
            raise DeadlineExpired

    def _close(self) -> None:
        """End a coroutine that is abandoned; one that has ended does not notice.

        What it raises on its way out, or that it refuses to go, changes nothing about what became of it.
        """
        with suppress(BaseException):
            self._coroutine.close()
