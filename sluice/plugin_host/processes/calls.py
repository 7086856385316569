"""The methods of one connection. The one file that knows what gRPC raises.

Requests are made bytes here, so that one that is too large is refused before any of it is sent; answers are read here,
so that nonsense has a name. ``UNIMPLEMENTED`` means that the plugin lacks the method, and is remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Protocol, Self, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from sluice.plugin_host.errors import OversizeError
from sluice.plugin_host.processes.faults import CallFailed

MAX_ANSWER_BYTES = 64 << 20
"""What a plugin may answer in one message; what the gateway takes of it has bounds of its own."""

PLUGIN = "/plugin.PluginService/"
CONFIG = "/config_provider.ConfigProviderService/"
BROKER = "/plugin.GRPCBroker/StartStream"
CONTROLLER = "/plugin.GRPCController/Shutdown"
STDIO = "/plugin.GRPCStdio/StreamStdio"

CHANNEL_OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    ("grpc.max_send_message_length", -1),  # `Calls` counts, and says what was too large
    ("grpc.use_local_subchannel_pool", 1),  # a connection of one plugin is no other's
    ("grpc.enable_retries", 0),  # a hook is called once
    ("grpc.client_idle_timeout_ms", (1 << 31) - 1),  # a connection that nobody needed for half an hour is not lost
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_channelz", 0),
)

_MAX_DETAIL_CHARACTERS = 160
_MAX_WHY_CHARACTERS = 300
_WHY_SECONDS = 0.5


class _Answer(Protocol):
    @classmethod
    def FromString(cls, data: bytes) -> Self: ...  # noqa: N802 - protobuf's name


AnswerT = TypeVar("AnswerT", bound=_Answer)


class Calls:
    """Calls methods by name. Raises CallFailed where that came to nothing, OversizeError where it was not tried."""

    __slots__ = ("_channel", "_max_bytes", "_metadata", "_streams", "_unary", "absent", "ended")

    def __init__(
        self, channel: grpc.aio.Channel, max_message_bytes: int, metadata: Sequence[tuple[str, str]] | None = None
    ) -> None:
        """``metadata`` goes along with every call."""
        self._channel = channel
        self._metadata = metadata
        self._max_bytes = max_message_bytes
        self._unary: dict[str, Any] = {}
        self._streams: dict[str, Any] = {}
        self.absent: set[str] = set()
        """Methods that the plugin does not have, as far as it was asked."""
        self.ended = ""
        """Why the connection is over, once it is."""

    async def call(
        self, method: str, request: Message, answer: type[AnswerT], seconds: float | None = None
    ) -> AnswerT | None:
        """The answer; ``None`` where the plugin lacks the method."""
        if self.ended:
            raise self._over(method)
        if method in self.absent:
            return None
        data = self._sent(request)
        stub = self._unary.get(method)
        if stub is None:
            stub = self._unary[method] = self._channel.unary_unary(method)
        try:
            received = await stub(data, timeout=seconds, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                self.absent.add(method)
                return None
            raise self._failed(method, error) from None
        except (grpc.aio.UsageError, grpc.aio.InternalError):  # closed under our hands
            raise self._over(method) from None
        except asyncio.CancelledError:
            raise self._cancelled(method) from None
        return _received(method, received, answer)

    async def stream(self, method: str, request: Message, answer: type[AnswerT]) -> AsyncGenerator[AnswerT, None]:
        """The answers, one after the other; closing the generator cancels the call. CallFailed also where the plugin
        lacks the method."""
        if self.ended:
            raise self._over(method)
        stub = self._streams.get(method)
        if stub is None:
            stub = self._streams[method] = self._channel.unary_stream(method)
        data, call = self._sent(request), None
        try:
            call = stub(data, metadata=self._metadata)
            while (received := await call.read()) is not grpc.aio.EOF:
                yield _received(method, received, answer)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                self.absent.add(method)
            raise self._failed(method, error) from None
        except (grpc.aio.UsageError, grpc.aio.InternalError):
            raise self._over(method) from None
        except asyncio.CancelledError:
            raise self._cancelled(method) from None
        finally:
            if call is not None:
                call.cancel()

    async def reach(self, seconds: float) -> None:
        """Wait until there is a connection; raises CallFailed."""
        try:
            await asyncio.wait_for(self._channel.channel_ready(), seconds)
        except TimeoutError:
            message = f"no connection within {seconds:g} s{await self._why_not()}"
            raise CallFailed(message) from None

    async def _why_not(self) -> str:
        """What gRPC says of its last try, which it tells to calls alone: a certificate that is not trusted, say."""
        try:
            await self._channel.unary_unary(PLUGIN + "Ping")(b"", timeout=_WHY_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return f" ({(error.details() or '').rpartition('last error: ')[2][:_MAX_WHY_CHARACTERS]})"
        return ""

    async def lost(self) -> None:
        """Returns when the connection that there is breaks; gRPC would make another, to whoever listens there then."""
        ready = grpc.ChannelConnectivity.READY
        try:
            while self._channel.get_state() is ready:
                await self._channel.wait_for_state_change(ready)
        except (grpc.aio.UsageError, grpc.aio.InternalError, AssertionError):
            return  # closed, which its closer knows

    async def close(self, why: str) -> None:
        """Close the connection; calls under way end with ``why``."""
        self.ended = self.ended or why
        await self._channel.close()

    def announcements(self, lines: AsyncIterator[bytes]) -> Any:
        """The broker's stream, of these."""
        return self._channel.stream_stream(BROKER)(lines, metadata=self._metadata)

    def _sent(self, request: Message) -> bytes:
        data = request.SerializeToString()
        if len(data) > self._max_bytes:
            raise OversizeError(self._max_bytes, len(data))
        return data

    def _failed(self, method: str, error: grpc.aio.AioRpcError) -> CallFailed:
        name, code = _name(method), error.code()
        if code is grpc.StatusCode.UNAVAILABLE:
            why = self.ended or f"the connection was lost ({_detail(error)})"
            return CallFailed(f"{name}: {why}")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return CallFailed(f"{name}: no answer in time")
        return CallFailed(f"{name}: {code.name}: {_detail(error)}")

    def _over(self, method: str) -> CallFailed:
        return CallFailed(f"{_name(method)}: {self.ended or 'the connection was closed'}")

    def _cancelled(self, method: str) -> BaseException:
        """A closed connection cancels its calls: only what was cancelled from outside is a cancellation."""
        task = asyncio.current_task()
        if self.ended and not (task and task.cancelling()):
            return self._over(method)
        return asyncio.CancelledError()


def _received(method: str, data: bytes, answer: type[AnswerT]) -> AnswerT:
    try:
        return answer.FromString(data)
    except DecodeError:
        message = f"{_name(method)}: {len(data)} bytes that are no {answer.__name__}"
        raise CallFailed(message) from None


def _detail(error: grpc.aio.AioRpcError) -> str:
    return (error.details() or "")[:_MAX_DETAIL_CHARACTERS]


def _name(method: str) -> str:
    return method.rpartition("/")[2]
