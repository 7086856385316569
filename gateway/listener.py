"""The listening sockets, and the HTTP server on each."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from gateway.errors import PortTakenError
from gateway.server import ConnectionProtocol, make_protocol
from sluice.beats import beat, seconds_to_beat

if TYPE_CHECKING:
    from gateway.asgi import Application
    from gateway.settings import GatewaySettings, Settings
    from gateway.telemetry import GatewayMetrics

_BACKLOG = 2048
_EXPIRE_SECONDS = 1.0
_TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Listeners:
    """The sockets of a gateway, shared by its workers."""

    gateway: socket.socket
    control: socket.socket | None = None
    """Where the control API has an address of its own."""

    def numbers(self) -> tuple[int, ...]:
        """Their file descriptors, to be inherited."""
        return tuple(each.fileno() for each in (self.gateway, self.control) if each is not None)

    def options(self) -> list[str]:
        """What a worker's command line says of them."""
        options = ["--listener", str(self.gateway.fileno())]
        return options if self.control is None else [*options, "--control-listener", str(self.control.fileno())]


@contextlib.contextmanager
def listen_for(settings: Settings) -> Iterator[Listeners]:
    """Every socket that the settings name, closed at the end. Raises PortTakenError."""
    with listen(settings.gateway.host, settings.gateway.port) as gateway:
        host, _, port = settings.control.listen.rpartition(":")
        if not settings.control.enabled or not host:
            yield Listeners(gateway)
            return
        with listen(host.strip("[]"), int(port), "control.listen") as control:
            yield Listeners(gateway, control)


def listen(host: str, port: int, setting: str = "gateway.port (or --port)") -> socket.socket:
    """A listening socket, made before any worker starts and shared by all of them: a killed worker then takes only the
    connections it had accepted, not those that wait. Raises PortTakenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol named, asyncio too knows that it is TCP and sets TCP_NODELAY, as uvloop does
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
        message = f"{host}:{port} {reason}: set {setting}, or end what listens there"
        raise PortTakenError(message) from error
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """uvicorn's, but for signals, which are the worker's to read, and for its ten looks a second at whether to end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Stop serving."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        """The date of answers is renewed each second, as a tick of number 0 does."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds_to_beat(_TICK_SECONDS)):
                    await self._ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


class WorkerServer:
    """Serves one worker's application on the gateway's socket."""

    def __init__(
        self, settings: GatewaySettings, app: Application, metrics: GatewayMetrics, listener: socket.socket
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._server = _Server(
            uvicorn.Config(
                app,
                interface="asgi3",  # uvicorn takes only what is a coroutine's function for one by itself
                http=make_protocol(metrics, settings.max_header_bytes),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=True,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=max(1, int(settings.shutdown_seconds)),
            )
        )

    async def serve(self, stop: asyncio.Event) -> None:
        """Until ``stop``: then accept no more, let what is under way end within ``gateway.shutdown_seconds``."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch(stop))
            expiring = tasks.create_task(self._expire())
            await self._server.serve(sockets=[self._listener.dup()])
            watching.cancel()
            expiring.cancel()

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._server.end()

    async def _expire(self) -> None:
        """Close connections that do not complete a request head."""
        loop, settings = asyncio.get_running_loop(), self._settings
        while True:
            await beat(_EXPIRE_SECONDS)
            for connection in list(self._server.server_state.connections):
                if isinstance(connection, ConnectionProtocol):
                    connection.expire(loop.time(), settings.client_read_timeout_seconds, settings.keep_alive_seconds)
