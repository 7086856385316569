"""The plugins of one hook, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias

from schemas.events import PluginTiming
from sluice.plugin_host.answers import (
    AnswerError,
    BlockError,
    Limits,
    MessageT,
    apply_to_request,
    apply_to_response,
    blocked,
)
from sluice.plugin_host.authentication import Identity, Rejection, identify, verdict_of
from sluice.plugin_host.deadline import DeadlineExpired, EscapeAttempted, Waiting, begin_within
from sluice.plugin_host.errors import CredentialRejected, OversizeError, PluginBlocked, PluginFailed, described
from sluice.plugin_host.gate import NotCalled
from sluice.plugin_host.link import Link
from sluice.plugin_host.processes.faults import NotRunning
from sluice.sdk.capabilities import Hook
from sluice.sdk.context import Context, ExchangeFacts
from sluice.sdk.messages import (
    AuthRequest,
    Credential,
    PluginResponse,
    ResponseWriteResponse,
    StreamCompleteResponse,
)

__all__ = ["Chain", "Link"]

Ending: TypeAlias = PluginBlocked | PluginFailed | None
"""What ends the exchange, if anything."""
Asking: TypeAlias = Callable[[Link, Context, Any], Coroutine[Any, Any, tuple[str, Any]]]
"""Calls a plugin: what the timing says of its answer, and what the chain makes of it."""

_MAX_REASON_CHARACTERS = 200
_BLOCKED_NS = 100_000_000
"""A hook that keeps the loop for longer is told of."""
_TOO_LARGE = 413


class Chain:
    """Runs a hook's plugins one after the other; each sees what the one before it left."""

    __slots__ = ("_answer_type", "_is_complete_hook", "_limits", "hook", "links")

    def __init__(self, hook: Hook, links: tuple[Link, ...], limits: Limits) -> None:
        self.hook = hook
        self.links = links
        self._limits = limits
        self._is_complete_hook = hook == "stream_complete"
        is_response = hook in {"response_headers", "response_body"}
        self._answer_type: type[Any] = ResponseWriteResponse if is_response else PluginResponse

    def __len__(self) -> int:
        """A chain without plugins is false."""
        return len(self.links)

    async def run(self, facts: ExchangeFacts, message: MessageT, timings: list[PluginTiming]) -> MessageT:
        """The message as the plugins left it: the very same object where none changed it.

        Appends to ``timings``, and to ``facts.metadata`` what plugins leave for later ones. Raises PluginBlocked, and
        PluginFailed for a plugin whose policy is ``closed``.
        """
        if self._is_complete_hook:
            return await self._complete(facts, message, timings)
        clock = time.perf_counter_ns
        for link in self.links:
            started = clock()
            decision, waiting, gate = "failed", None, link.gate
            ending: Ending = None
            try:
                if gate.is_shut:
                    gate.admit()
                handling = link.handler(Context(facts, link.services, link.runtime, link.key), message)
                answer = begin_within(handling, link.timeout_seconds)
                if answer.__class__ is Waiting:
                    waiting = answer
                    answer = await gate.wait(waiting, clock() - started)
                if not isinstance(answer, self._answer_type):
                    self._refuse(answer)
                decision = answer.decision
                if decision != "allow":
                    message, ending = self._apply(link, answer, facts, message)
                if gate.failures_in_row:
                    gate.succeeded()
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises is its failure, and stays with it
                decision, ending = _failed(link, error)
            finally:
                _note(link, clock() - started, waiting, decision, timings)
            if ending is not None:
                raise ending
        return message

    async def authenticate(self, facts: ExchangeFacts, request: AuthRequest, timings: list[PluginTiming]) -> Identity:
        """The caller, by the first plugin that accepts the credential; its app may still be unknown.

        Raises CredentialRejected where none does, PluginBlocked, and PluginFailed for a plugin whose policy is
        ``closed``.
        """
        rejected = CredentialRejected()
        for link in self.links:
            found = await self._ask(link, facts, request, timings, self._prove)
            if isinstance(found, Identity):
                return found
            if isinstance(found, Rejection):
                rejected = CredentialRejected(link.plugin, found.message)
        raise rejected

    async def _complete(self, facts: ExchangeFacts, message: MessageT, timings: list[PluginTiming]) -> MessageT:
        """Nothing can be changed any more, so nobody's failure stops the others."""
        for link in self.links:
            with suppress(PluginFailed):
                await self._ask(link, facts, message, timings, _tell)
        return message

    async def _ask(
        self, link: Link, facts: ExchangeFacts, message: Any, timings: list[PluginTiming], asking: Asking
    ) -> Any:
        """As one turn of ``run``, for hooks whose answers are no decisions; ``None`` after a failure that is open."""
        started = time.perf_counter_ns()
        decision, outcome, waiting = "failed", None, None
        try:
            if link.gate.is_shut:
                link.gate.admit()
            context = Context(facts, link.services, link.runtime, link.key)
            found = begin_within(asking(link, context, message), link.timeout_seconds)
            if found.__class__ is Waiting:
                waiting = found
                found = await link.gate.wait(waiting, time.perf_counter_ns() - started)
            decision, outcome = found
            link.gate.succeeded()
        except Exception as error:  # noqa: BLE001 - as above
            decision, outcome = _failed(link, error)
        finally:
            _note(link, time.perf_counter_ns() - started, waiting, decision, timings)
        if isinstance(outcome, PluginBlocked | PluginFailed):
            raise outcome
        return outcome

    def _refuse(self, answer: Any) -> None:
        message = f"answered {type(answer).__name__}, not {self._answer_type.__name__}"
        raise AnswerError(message)

    def _apply(self, link: Link, answer: Any, facts: ExchangeFacts, message: Any) -> tuple[Any, Ending]:
        if answer.decision == "block":
            return message, blocked(link.plugin, link.hook, answer, self._limits)
        if answer.decision != "modify":
            text = f"decided {answer.decision!r:.40}, not allow, modify or block"
            raise AnswerError(text)
        if self._answer_type is PluginResponse:
            return apply_to_request(answer, message, facts, self._limits, link.plugin), None
        return apply_to_response(answer, message, self.hook, self._limits), None

    async def _prove(self, link: Link, ctx: Context, request: AuthRequest) -> tuple[str, Any]:
        verdict = verdict_of(await link.handler(ctx, request), self._limits)
        if isinstance(verdict, Credential):
            return "accept", await identify(link, ctx, request, verdict)
        if isinstance(verdict, Rejection):
            return "reject", verdict
        if verdict.decision == "block":
            return "block", blocked(link.plugin, link.hook, verdict, self._limits)
        return "allow", None


async def _tell(link: Link, ctx: Context, request: Any) -> tuple[str, Any]:
    answer = await link.handler(ctx, request)
    if answer is not None and not isinstance(answer, StreamCompleteResponse):
        message = f"answered {type(answer).__name__}, not StreamCompleteResponse or None"
        raise AnswerError(message)
    return "allow", None


def _note(link: Link, took_ns: int, waiting: Waiting | None, decision: str, timings: list[PluginTiming]) -> None:
    if took_ns > _BLOCKED_NS:
        held_ns = took_ns if waiting is None else waiting.held_ns
        if held_ns > _BLOCKED_NS:
            link.count_blocked_loop(held_ns // 1000)
    micros = took_ns // 1000
    link.tally.add(micros)
    timings.append({"plugin": link.plugin, "hook": link.hook, "micros": micros, "decision": decision})


def _failed(link: Link, error: Exception) -> tuple[str, Ending]:
    """What the timing says, and what ends the exchange, if anything."""
    if isinstance(error, OversizeError):
        return _oversized(link, error)
    reason = _reason(link, error)
    decision = "failed"
    if isinstance(error, NotCalled | NotRunning):
        if isinstance(error, NotRunning):  # which is for whoever restarts it, not for the breaker
            link.gate.abandoned()
        link.count_not_called(reason)
        decision = "skipped" if link.fails_open else "failed"
    else:
        link.gate.failed(reason)
        link.count_failure(reason)
    if link.fails_open and not isinstance(error, BlockError):
        return decision, None
    failure = PluginFailed(link.plugin, link.hook, reason)
    failure.__cause__ = error
    return decision, failure


def _oversized(link: Link, error: OversizeError) -> tuple[str, Ending]:
    """The plugin did nothing wrong; it was not even asked."""
    link.gate.abandoned()
    link.tally.oversized += 1
    if link.on_oversize == "skip" or link.hook == "stream_complete":
        return "skipped", None
    text = f"plugin {link.plugin!r} cannot be given {error.size} bytes: its limit is {error.limit_bytes}"
    return "block", PluginBlocked(link.plugin, link.hook, _TOO_LARGE, [], None, text)


def _reason(link: Link, error: Exception) -> str:
    if isinstance(error, DeadlineExpired):
        return f"no answer within {link.timeout_seconds:g} s"
    if isinstance(error, AnswerError | NotCalled | NotRunning):
        return str(error)[:_MAX_REASON_CHARACTERS]
    if isinstance(error, EscapeAttempted):
        return f"raised {error}"
    return f"raised {described(error)}"
