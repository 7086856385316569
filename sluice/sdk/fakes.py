"""Services for plugin authors' tests: all in memory, filled by the test, remembering what they were asked.

They keep the Protocols of ``sluice.sdk.services`` and the laws that the host's keep; the clock turns when told to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple

from sluice.sdk.context import Runtime
from sluice.sdk.errors import NotFound, PayloadTooLarge, ServiceError, ServiceUnavailable
from sluice.sdk.fake_gateway import Known, RecordingGateway, SentPayload
from sluice.sdk.services import Direction, Message, Scope, Subscriber

MAX_KEY_BYTES = 255
MAX_VALUE_BYTES = 1 << 20
MAX_MESSAGE_BYTES = 1 << 20
MAX_TOPIC_CHARACTERS = 200


class LogEntry(NamedTuple):
    """One call of a logger."""

    level: str
    event: str
    values: dict[str, Any]


@dataclass(slots=True)
class ManualClock:
    """Stands still until it is turned; begins on 2026-01-01 at noon, UTC."""

    micros: int = 1_767_268_800_000_000

    def now_micros(self) -> int:
        """Micros of the epoch."""
        return self.micros

    def seconds(self) -> float:
        """Seconds of the epoch."""
        return self.micros / 1_000_000

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self.micros += round(seconds * 1_000_000)


@dataclass(slots=True)
class RecordingLogger:
    """A logger that keeps what it was told."""

    entries: list[LogEntry] = field(default_factory=list)

    def debug(self, event: str, **values: Any) -> None:
        """Keep an entry of level ``debug``."""
        self.entries.append(LogEntry("debug", event, values))

    def info(self, event: str, **values: Any) -> None:
        """Keep an entry of level ``info``."""
        self.entries.append(LogEntry("info", event, values))

    def warning(self, event: str, **values: Any) -> None:
        """Keep an entry of level ``warning``."""
        self.entries.append(LogEntry("warning", event, values))

    def error(self, event: str, **values: Any) -> None:
        """Keep an entry of level ``error``."""
        self.entries.append(LogEntry("error", event, values))


class MemoryKeyValue:
    """A store that forgets when its clock says so."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self._values: dict[str, tuple[bytes, int | None]] = {}

    async def read(self, key: str) -> bytes:
        """As ``KeyValue.read``."""
        return self._live(key)

    async def write(self, key: str, value: bytes, expires_at: int | None = None) -> bool:
        """As ``KeyValue.write``."""
        _check_key(key)
        _check_bytes(key.encode("utf-8", "surrogatepass"), "a kv key", MAX_KEY_BYTES)
        _check_bytes(value, "a kv value", MAX_VALUE_BYTES)
        is_new = not self._is_live(key)
        self._values[key] = (bytes(value), expires_at)
        return is_new

    async def write_with_ttl(self, key: str, value: bytes, ttl_seconds: float) -> bool:
        """As ``KeyValue.write_with_ttl``."""
        if not ttl_seconds > 0:
            message = f"ttl_seconds is {ttl_seconds}; it must be more than 0"
            raise ServiceError(message)
        if math.isinf(ttl_seconds):
            return await self.write(key, value)
        return await self.write(key, value, self.clock.now_micros() + round(ttl_seconds * 1_000_000))

    async def delete(self, key: str) -> bool:
        """As ``KeyValue.delete``."""
        was_live = self._is_live(key)
        self._values.pop(key, None)
        return was_live

    async def list(self, prefix: str = "", limit: int = 1000) -> Sequence[str]:
        """As ``KeyValue.list``."""
        return sorted(key for key in self._values if key.startswith(prefix) and self._is_live(key))[:limit]

    def _is_live(self, key: str) -> bool:
        _, expires_at = self._values.get(key, (b"", 0))
        return expires_at is None or expires_at > self.clock.now_micros()

    def _live(self, key: str) -> bytes:
        if not self._is_live(key):
            message = f"there is no key {key!r}"
            raise NotFound(message)
        return self._values[key][0]


class MemoryMessages:
    """Messages that arrive before ``publish`` returns, and are kept."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self._subscribers: dict[str, tuple[str | None, Subscriber]] = {}
        self._made = 0

    async def publish(self, topic: str, payload: bytes, direction: Direction = "local") -> str:
        """As ``Messages.publish``."""
        if not 0 < len(topic) <= MAX_TOPIC_CHARACTERS or any(map(str.isspace, topic)):
            message = f"a topic has 1 to {MAX_TOPIC_CHARACTERS} characters and no spaces, not {ascii(topic)[:100]}"
            raise ServiceError(message)
        _check_bytes(payload, "a message", MAX_MESSAGE_BYTES)
        message_id = self._next("message")
        await self.deliver(Message(message_id, topic, bytes(payload), "plugin:1@test", direction))
        return message_id

    async def deliver(self, message: Message) -> None:
        """Let a message arrive, as from elsewhere."""
        self.published.append(message)
        for topic, subscriber in list(self._subscribers.values()):
            if topic is None or topic == message.topic:
                await subscriber(message)

    async def subscribe(self, topic: str, subscriber: Subscriber) -> str:
        """As ``Messages.subscribe``."""
        return self._add(topic, subscriber)

    async def subscribe_all(self, subscriber: Subscriber) -> str:
        """As ``Messages.subscribe_all``."""
        return self._add(None, subscriber)

    async def unsubscribe(self, subscription_id: str) -> None:
        """As ``Messages.unsubscribe``."""
        if self._subscribers.pop(subscription_id, None) is None:
            message = f"there is no subscription {subscription_id!r}"
            raise NotFound(message)

    def _add(self, topic: str | None, subscriber: Subscriber) -> str:
        subscription_id = self._next("subscription")
        self._subscribers[subscription_id] = (topic, subscriber)
        return subscription_id

    def _next(self, what: str) -> str:
        self._made += 1
        return f"{what}-{self._made}"


HttpHandler = Callable[[Any], Any]
"""From an ``httpx.Request`` to an ``httpx.Response``, or a coroutine of one."""


class RecordingServices:
    """The services of one plugin, to fill before and to look at after its hooks were called.

    ``scopes`` are what a registration grants to a plugin in a process of its own; ``None`` is everything. ``answer``
    is who answers what the plugin asks over HTTP; without one nothing can be reached.
    """

    def __init__(
        self,
        known: Known | None = None,
        *,
        runtime: Runtime = "gateway",
        scopes: Iterable[Scope] | None = None,
        answer: HttpHandler | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        self.runtime: Runtime = runtime
        self.clock = clock or ManualClock()
        self.logger = RecordingLogger()
        self.kv = MemoryKeyValue(self.clock)
        self.messages = MemoryMessages()
        self.known = known or Known()
        self.answer = answer
        self.http_requests: list[Any] = []
        """Each ``httpx.Request`` that the plugin made."""
        self._gateway = RecordingGateway(self.known, None if scopes is None else frozenset(scopes))
        self._http: Any = None

    def beside(self, runtime: Runtime) -> RecordingServices:
        """The same stores, messages and log, as they are seen in another runtime."""
        other = copy(self)
        other.runtime = runtime
        return other

    @property
    def sent(self) -> list[SentPayload]:
        """What was sent to control."""
        return self._gateway.sent

    @property
    def http(self) -> Any:
        """An ``httpx.AsyncClient`` whose requests go to ``answer``, and no further."""
        if self._http is None:
            httpx = import_httpx()
            self._http = httpx.AsyncClient(transport=httpx.MockTransport(self._answered), timeout=30)
        return self._http

    def gateway(self) -> RecordingGateway:
        """As ``Services.gateway``."""
        if self.runtime == "studio":
            message = "the gateway's services are not offered on the control side; ask ctx.services.studio()"
            raise ServiceUnavailable(message)
        return self._gateway

    def studio(self) -> RecordingGateway:
        """As ``Services.studio``."""
        if self.runtime != "studio":
            message = f"the control side's services are not offered in a {self.runtime}; ask ctx.services.gateway()"
            raise ServiceUnavailable(message)
        return self._gateway

    async def _answered(self, request: Any) -> Any:
        self.http_requests.append(request)
        if self.answer is None:
            message = f"nobody answers {request.method} {request.url} in this test; give RecordingServices an `answer`"
            raise import_httpx().ConnectError(message, request=request)
        answer = self.answer(request)
        return await answer if hasattr(answer, "__await__") else answer


def import_httpx() -> Any:
    """httpx; raises ServiceUnavailable, with what to install, where it is missing."""
    try:
        return import_module("httpx")
    except ImportError as error:
        message = "ctx.services.http needs httpx: pip install 'sluice-gateway[plugins]'"
        raise ServiceUnavailable(message) from error


def _check_key(key: Any) -> None:
    if not isinstance(key, str) or "\0" in key:
        message = f"a kv key is text without NUL, not {ascii(key)[:100]}"
        raise ServiceError(message)


def _check_bytes(value: Any, what: str, max_bytes: int) -> None:
    if not isinstance(value, bytes | bytearray | memoryview):
        message = f"{what} is bytes, not {type(value).__name__}; encode it"
        raise ServiceError(message)
    if memoryview(value).nbytes > max_bytes:
        message = f"{what} of {memoryview(value).nbytes} bytes is larger than {max_bytes}"
        raise PayloadTooLarge(message)
