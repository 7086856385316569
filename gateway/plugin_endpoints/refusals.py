"""Answers of ours instead of a plugin's, as JSON: ``{"error": …, "code": …}``, and the plugin where it is its fault.

Refusal
├── EndpointUnknown     404  request_invalid, code endpoint_unknown
├── MethodNotAllowed    405  request_invalid, code method_not_allowed, with Allow
├── EndpointFailed      502  plugin_failed · 504 where it did not answer in time · 503 while its breaker is open
│   ├── SaidError            code endpoint_error: the plugin says it itself
│   └── TimeIsUp             code stream_timeout
├── StreamCut           one of these, when the head of the answer was out; ok where an event stream was told that its
│                       time is up
└── EndpointBusy        503  overloaded: the plugin's max_concurrent
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from gateway.outcomes import Overloaded, PluginBroke, Refusal, RequestInvalid

if TYPE_CHECKING:
    from gateway.asgi import Message
    from gateway.outcomes import Outcome

_UNAVAILABLE = 503


class EndpointUnknown(RequestInvalid):
    """No plugin has this slug, or the plugin has no endpoint for the path."""

    status = 404

    def __init__(self, path: str) -> None:
        super().__init__(f"no endpoint is registered for {path[:256]!r}", "endpoint_unknown")


class MethodNotAllowed(RequestInvalid):
    """The path is known, by other methods."""

    status = 405

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        names = ", ".join(allowed)
        super().__init__(f"{method} is not one of its methods: {names}", "method_not_allowed", allow(allowed))


class EndpointFailed(PluginBroke):
    """The plugin raised, hung or answered nonsense. The reason is in the event alone."""

    def __init__(self, plugin: str, reason: str, status: int = 502) -> None:
        super().__init__(f"plugin {plugin!r} failed", reason=reason)
        self.status = status
        self.plugin = plugin
        if status == _UNAVAILABLE:
            self.headers = ((b"retry-after", b"1"),)


class SaidError(EndpointFailed):
    """The plugin itself ended its answer with an error, and says which; its breaker does not count it."""

    def __init__(self, plugin: str, said: str) -> None:
        super().__init__(plugin, f"ended its answer with an error: {said}")
        self.message, self.code = said or self.message, "endpoint_error"


class TimeIsUp(EndpointFailed):
    """The answer's head is out, and so is the time of the whole of it."""

    def __init__(self, plugin: str, seconds: float) -> None:
        super().__init__(plugin, "")
        self.message = self.detail = (
            f"the answer was not complete within {seconds:g} s (plugin_host.endpoints.stream_timeout_seconds)"
        )
        self.code = "stream_timeout"


class StreamCut(Refusal):
    """A failure behind the head of an answer: ``messages`` end it, or nothing does."""

    def __init__(self, failure: Refusal, messages: list[Message]) -> None:
        super().__init__(failure.message, failure.code)
        self.detail = failure.detail
        self.messages = messages
        is_told = isinstance(failure, TimeIsUp) and messages
        self.outcome: Outcome = "ok" if is_told else "plugin_failed"


class EndpointBusy(Overloaded):
    """As many calls of the plugin are under way as its registration allows."""

    close = False

    def __init__(self, plugin: str) -> None:
        super().__init__(f"plugin {plugin!r} has as many calls under way as its max_concurrent allows; try again")
        self.plugin = plugin


def allow(methods: tuple[str, ...]) -> tuple[tuple[bytes, bytes], ...]:
    """The header that says what a path can be asked with."""
    return ((b"allow", ", ".join(methods).encode("ascii")),)


def body_of(refusal: Refusal) -> bytes:
    """What the client gets to read."""
    said = {"error": refusal.message, "code": refusal.code}
    plugin = getattr(refusal, "plugin", "")
    return orjson.dumps({**said, "plugin": plugin} if plugin else said)
