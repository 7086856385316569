"""The plugins of one hook, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from schemas.events import PluginTiming
from sluice.plugin_host.answers import AnswerError, Limits, MessageT, apply_to_request, apply_to_response, blocked
from sluice.plugin_host.deadline import DeadlineExpired, EscapeAttempted, Waiting, begin_within
from sluice.plugin_host.errors import PluginFailed, described
from sluice.sdk.capabilities import Hook
from sluice.sdk.context import Context, ExchangeFacts, Runtime
from sluice.sdk.messages import PluginResponse, ResponseWriteResponse
from sluice.sdk.services import Services

Handler: TypeAlias = Callable[[Context, Any], Coroutine[Any, Any, Any]]

_QUIET_SECONDS = 10.0  # between two log lines of one failing plugin: it fails once for each exchange
_MAX_REASON_CHARACTERS = 200


@dataclass(slots=True)
class Link:
    """One plugin's place in a chain."""

    plugin: str
    hook: Hook
    handler: Handler
    services: Services
    timeout_seconds: float
    fails_open: bool
    runtime: Runtime = "gateway"
    failures: int = 0
    """Since the start; for metrics."""
    _quiet_until: float = field(default=0.0, init=False)
    _failures_logged: int = field(default=0, init=False)

    def count_failure(self, reason: str) -> None:
        """Count it, and log the first of a series with how many were not logged before it."""
        self.failures += 1
        now = time.monotonic()
        if now < self._quiet_until:
            return
        self._quiet_until = now + _QUIET_SECONDS
        unlogged = self.failures - self._failures_logged - 1
        self._failures_logged = self.failures
        self.services.logger.warning(
            "plugin failed", hook=self.hook, reason=reason, skipped=self.fails_open, failures_not_logged=unlogged
        )


class Chain:
    """Runs a hook's plugins one after the other; each sees what the one before it left."""

    __slots__ = ("_answer_type", "_limits", "hook", "links")

    def __init__(self, hook: Hook, links: tuple[Link, ...], limits: Limits) -> None:
        self.hook = hook
        self.links = links
        self._limits = limits
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
        for link in self.links:
            started = time.perf_counter_ns()
            decision = "failed"
            block = None
            try:
                handling = link.handler(Context(facts, link.services, link.runtime), message)
                answer = begin_within(handling, link.timeout_seconds)
                if answer.__class__ is Waiting:
                    answer = await answer
                if not isinstance(answer, self._answer_type):
                    self._refuse(answer)
                decision = answer.decision
                if decision != "allow":
                    decision = "failed"
                    if answer.decision == "block":
                        block = blocked(link.plugin, link.hook, answer, self._limits)
                    else:
                        message = self._apply(answer, facts, message)
                    decision = answer.decision
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises is its failure, and stays with it
                self._failed(link, error)
            finally:
                micros = (time.perf_counter_ns() - started) // 1000
                timings.append({"plugin": link.plugin, "hook": link.hook, "micros": micros, "decision": decision})
            if block is not None:
                raise block
        return message

    def _refuse(self, answer: Any) -> None:
        message = f"answered {type(answer).__name__}, not {self._answer_type.__name__}"
        raise AnswerError(message)

    def _apply(self, answer: Any, facts: ExchangeFacts, message: Any) -> Any:
        if answer.decision != "modify":
            text = f"decided {answer.decision!r:.40}, not allow, modify or block"
            raise AnswerError(text)
        if self._answer_type is PluginResponse:
            return apply_to_request(answer, message, facts, self._limits)
        return apply_to_response(answer, message, self.hook, self._limits)

    def _failed(self, link: Link, error: Exception) -> None:
        reason = _reason(link, error)
        link.count_failure(reason)
        if not link.fails_open:
            raise PluginFailed(link.plugin, link.hook, reason) from error


def _reason(link: Link, error: Exception) -> str:
    if isinstance(error, DeadlineExpired):
        return f"no answer within {link.timeout_seconds:g} s"
    if isinstance(error, AnswerError):
        return str(error)[:_MAX_REASON_CHARACTERS]
    if isinstance(error, EscapeAttempted):
        return f"raised {error}"
    return f"raised {described(error)}"
