"""What happens when a plugin's method fails: a line in its log, and an answer to the host that says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
import grpc.aio

from sluice.plugin_wire.rpc import status_text
from sluice.sdk.serving.cancellation import ESCAPES, is_cancelled
from sluice.sdk.serving.served import Served

Behaviour = Callable[[Any], Awaitable[Any]]
"""A request of the protocol, to its answer."""

_ENDINGS: Final = frozenset(("CloseSession", "Shutdown"))
"""What a host may say at the end, whoever began it."""


class WrongAnswer(TypeError):  # noqa: N818 - reads as what happened
    """A plugin's method returned what it may not; the message names both."""

    def __init__(self, method: str, answer: object) -> None:
        kind = "None" if answer is None else f"a value of type {type(answer).__name__}"
        super().__init__(f"{method} returned {kind}, which is no answer of it")


def answer_of(method: str, answer: Any, *kinds: type) -> Any:
    """The answer, which must be one of these. Raises WrongAnswer."""
    if not isinstance(answer, kinds):
        raise WrongAnswer(method, answer)
    return answer


def problem_of(error: BaseException) -> str:
    """A failure in one bounded text."""
    return status_text(f"{type(error).__name__}: {error}")


def guarded(name: str, behaviour: Behaviour, served: Served) -> Callable[[Any, grpc.aio.ServicerContext], Any]:
    """A behaviour as gRPC calls it; what it raises is the call's failure, by its name, and nothing else's."""

    async def call(request: Any, context: grpc.aio.ServicerContext) -> Any:
        if name not in _ENDINGS:
            await refuse_at_the_end(served, context)
        try:
            with served.calls:
                return await behaviour(request)
        except ESCAPES as error:  # the plugin is the author's: it may raise anything
            if is_cancelled():
                raise
            await fail(name, error, served, context)

    return call


async def refuse_at_the_end(served: Served, context: grpc.aio.ServicerContext) -> None:
    """No call is begun once the process ends: it would meet a plugin that is shut down. The host has another try."""
    if served.ended.is_set():
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the plugin's process is ending")


async def fail(method: str, error: BaseException, served: Served, context: grpc.aio.ServicerContext) -> None:
    """Say so in the plugin's log, and to the host, whose call this ends."""
    served.services.logger.error("plugin method failed", method=method, error=problem_of(error))
    await context.abort(grpc.StatusCode.INTERNAL, problem_of(error))
