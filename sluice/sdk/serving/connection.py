"""The way back to the host: dialled at the first call, on what the host announced; gRPC's errors become the SDK's here.

A host says on the broker's stream where its services are, again and again until it is asked something; a call that
comes first waits for that, up to a bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, NoReturn

import grpc
import grpc.aio

from sluice.plugin_wire.rpc import HOST_EXTENSIONS, MANAGEMENT, PLUGIN_EVENTS, Service, Stub
from sluice.sdk.errors import NotFound, PayloadTooLarge, ScopeDenied, ServiceError, ServiceUnavailable
from sluice.sdk.serving.announcements import Announcements
from sluice.sdk.serving.cancellation import is_cancelled

ANNOUNCEMENT_SECONDS: Final = 5.0
CALL_SECONDS: Final = 10.0
_MAX_ANSWER_BYTES: Final = 64 << 20
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
    ("grpc.max_send_message_length", _MAX_ANSWER_BYTES),
    ("grpc.enable_http_proxy", 0),
)
_UNAVAILABLE: Final = frozenset(
    (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.CANCELLED,
    )
)


class Connection:
    """One connection for all of a plugin's services; made anew when its host is gone and another place is known."""

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self.plugin_id = 0
        self.broker_id = 0
        self.announcements = Announcements()
        self._target = ""
        self._channel: grpc.aio.Channel | None = None
        self._stubs: dict[str, Stub] = {}

    async def call(self, service: Service, method: str, request: Any, scope: str = "") -> Any:
        """One call's answer. Raises ServiceError; ``scope`` is what it needs, for the message."""
        stub = await self._stub(service)
        try:
            return await getattr(stub, method)(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._refuse(error, method, scope)
        except asyncio.CancelledError:
            raise _cancelled(method) from None

    async def stream(self, service: Service, method: str, request: Any, wait_seconds: float) -> AsyncIterator[Any]:
        """A call whose answers go on, begun: the host has it, or ``wait_seconds`` are over. Raises ServiceError."""
        stub = await self._stub(service)
        answers = getattr(stub, method)(request)
        try:
            async with asyncio.timeout(wait_seconds):
                await answers.wait_for_connection()
        except TimeoutError:
            pass  # peers may say nothing before their first answer
        except grpc.aio.AioRpcError as error:
            self._refuse(error, method, "")
        except asyncio.CancelledError:
            answers.cancel()
            raise _cancelled(method) from None
        return self._answers(answers, method)

    async def close(self) -> None:
        """Calls under way fail."""
        channel, self._channel, self._target = self._channel, None, ""
        self._stubs = {}
        if channel is not None:
            await channel.close()

    async def _answers(self, answers: Any, method: str) -> AsyncIterator[Any]:
        try:
            async for answer in answers:
                yield answer
        except grpc.aio.AioRpcError as error:
            self._refuse(error, method, "")
        except asyncio.CancelledError:
            raise _cancelled(method) from None
        finally:
            answers.cancel()

    async def _stub(self, service: Service) -> Stub:
        target = await self._place()
        if target != self._target:
            await self.close()
            self._target, self._channel = target, grpc.aio.insecure_channel(target, _OPTIONS)
            self._stubs = {
                each.name: Stub(self._channel, each) for each in (MANAGEMENT, PLUGIN_EVENTS, HOST_EXTENSIONS)
            }
        return self._stubs[service.name]

    async def _place(self) -> str:
        if not self.broker_id:
            message = "the host offers this plugin no services"
            raise ServiceUnavailable(message)
        try:
            return await self.announcements.wait(self.broker_id, self._target, ANNOUNCEMENT_SECONDS)
        except TimeoutError:
            message = f"the host did not say within {ANNOUNCEMENT_SECONDS:g} s where its services are"
            raise ServiceUnavailable(message) from None

    def _refuse(self, error: grpc.aio.AioRpcError, method: str, scope: str) -> NoReturn:
        code, details = error.code(), error.details() or ""
        if code is grpc.StatusCode.NOT_FOUND:
            raise NotFound(details or f"{method} found nothing") from error
        if code is grpc.StatusCode.PERMISSION_DENIED:
            raise ScopeDenied(self.plugin, scope) from error
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise PayloadTooLarge(details or f"{method} was given too much") from error
        message = f"{method}: {details or code.name}"
        raise (ServiceUnavailable if code in _UNAVAILABLE else ServiceError)(message) from error


def _cancelled(method: str) -> BaseException:
    """A channel that is closed cancels its calls."""
    if is_cancelled():
        return asyncio.CancelledError()
    return ServiceUnavailable(f"{method}: the connection to the host was given up; try again")
