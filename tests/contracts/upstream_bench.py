"""What the contract tests of upstream clients stand on: each test runs on both clients and on both event loops."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest
import trustme
import uvloop

from gateway.errors import UpstreamFault
from gateway.upstreams.aiohttp_client import AiohttpClient
from gateway.upstreams.client import Headers, Origin, Timeouts, UpstreamClient, UpstreamRequest, UpstreamResponse
from gateway.upstreams.dial import tls_context
from gateway.upstreams.http1 import LeanClient
from gateway.upstreams.limits import ClientLimits
from tests.contracts.scripted_upstream import SECONDS, Asked, Peer, Script, ScriptedUpstream

Choice = TypeVar("Choice")
QUICK = ClientLimits(sweep_seconds=0.01)
CONTEXT_SECONDS = 3 * SECONDS


@dataclass(frozen=True)
class Difference:
    """Where the two clients may differ: what each does. The tests hold both columns, the README shows them."""

    lean: object
    aiohttp: object
    why: str


LENIENT = "aiohttp sets its parser to be lenient"
DIFFERENCES = {
    "bare LF": Difference("refused", "taken", LENIENT),
    "a folded header": Difference("refused", "taken", LENIENT),
    "a control character in a header": Difference("refused", "taken", LENIENT),
    "a space behind a chunk's size": Difference("refused", "taken", LENIENT),
    "more than 16 interim answers": Difference("refused", "taken", "aiohttp skips any number, within the deadlines"),
    "trailers beyond max_header_bytes": Difference("refused", "taken", "aiohttp drops trailers without counting them"),
    "a target that ends with ?": Difference("as given", "loses it", "yarl, aiohttp's URL, drops an empty query"),
    "a request header that is not UTF-8": Difference("as given", "refused", "aiohttp writes text"),
    "a method in lower case": Difference("as given", "refused", "aiohttp would write it in upper case"),
    "a busy connection older than max_age_seconds": Difference("replaced", "kept", "aiohttp knows no such bound"),
    "bytes that wait for their reader when a vendor cuts": Difference("are read", "are lost", "aiohttp raises first"),
    "bytes behind an answer, in the same packet": Difference(
        "answer is good", "may fail the answer", "aiohttp parses them before it gives the answer"
    ),
}


@dataclass(frozen=True)
class Variant:
    """One client on one event loop, its answers pulled piece by piece or pumped."""

    client: str
    loop: str
    reading: str = "pull"

    def __str__(self) -> str:
        return f"{self.client}-{self.loop}-{self.reading}"


VARIANTS = [
    Variant("lean", "asyncio"),
    Variant("lean", "uvloop"),
    Variant("lean", "uvloop", "pump"),
    Variant("aiohttp", "asyncio", "pump"),
    Variant("aiohttp", "uvloop"),
]
_PUMPS: ContextVar[bool] = ContextVar("pumps", default=False)


class Bench:
    """One test's clients and servers; all are closed at its end."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stack.__aexit__(kind, error, trace)

    def differs(self, name: str) -> Any:
        """This client's column of ``DIFFERENCES``."""
        return getattr(DIFFERENCES[name], self.variant.client)

    def choose(self, *, lean: Choice, aiohttp: Choice) -> Choice:
        """One of two, by client."""
        return lean if self.variant.client == "lean" else aiohttp

    def limits(self, **changes: float) -> ClientLimits:
        """Bounds for this test."""
        return replace(QUICK, **changes)  # type: ignore[arg-type]

    def event(self) -> asyncio.Event:
        """An event that does not outlive the test."""
        return asyncio.Event()

    def client(
        self, limits: ClientLimits = QUICK, *, tls: ssl.SSLContext | None = None, proxies: dict[str, str] | None = None
    ) -> UpstreamClient:
        """A client of the kind under test."""
        client: UpstreamClient
        if self.variant.client == "lean":
            client = LeanClient(limits, tls=tls or system_trust())
        else:
            client = AiohttpClient(limits, tls=tls or system_trust(), proxies=proxies or {})
        self.stack.push_async_callback(client.close)
        return client

    async def upstream(self, script: Script, *, names: str = "") -> ScriptedUpstream:
        """A server; over TLS with a certificate for ``names`` where that is given."""
        tls = certificate(names) if names else None
        return await self.stack.enter_async_context(
            ScriptedUpstream(script, tls=tls, host="localhost" if names else "127.0.0.1")
        )


def on_both_clients(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test of a ``Bench`` on each variant, in a fresh event loop."""

    def run(variant: Variant, **arguments: object) -> None:
        factory = uvloop.new_event_loop if variant.loop == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(_on_bench(test, variant, arguments))

    first, *others = inspect.signature(test).parameters.values()
    own = inspect.Parameter("variant", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([own, *others])  # type: ignore[attr-defined]
    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    assert first.name == "bench"
    return pytest.mark.parametrize("variant", VARIANTS, ids=str)(run)


async def _on_bench(
    test: Callable[..., Coroutine[Any, Any, None]], variant: Variant, arguments: dict[str, object]
) -> None:
    unhandled: list[str] = []
    _PUMPS.set(variant.reading == "pump")
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(str(context)))
    async with asyncio.timeout(CONTEXT_SECONDS), Bench(variant) as bench:
        await test(bench, **arguments)
    assert unhandled == []


def ask(
    origin: Origin,
    target: bytes = b"/",
    *,
    method: bytes = b"GET",
    headers: Headers | None = None,
    body: bytes = b"",
    timeouts: Timeouts | None = None,
) -> UpstreamRequest:
    """A request."""
    return UpstreamRequest(origin, method, target, headers or [], body, timeouts or Timeouts())


async def read_all(response: UpstreamResponse) -> bytes:
    """The whole body."""
    parts: list[bytes] = []
    if _PUMPS.get():
        assert await response.pump(lambda piece, _: bool(parts.append(piece)))  # type: ignore[func-returns-value]
    else:
        while chunk := await response.read():
            parts.append(chunk)
    return b"".join(parts)


async def fetch(client: UpstreamClient, request: UpstreamRequest) -> tuple[int, Headers, bytes]:
    """One whole exchange."""
    response = await client.send(request)
    return response.status, response.headers, await read_all(response)


async def fault_of(client: UpstreamClient, request: UpstreamRequest) -> UpstreamFault:
    """The fault in which an exchange ends."""
    with pytest.raises(UpstreamFault) as raised:
        await fetch(client, request)
    return raised.value


@cache
def system_trust() -> ssl.SSLContext:
    """What a client trusts by default; shared by all of them here, since the system's store takes 20 ms to load."""
    return tls_context()


@cache
def authority() -> trustme.CA:
    """A certificate authority that no system trusts."""
    return trustme.CA()


@cache
def certificate(names: str) -> ssl.SSLContext:
    """A server's TLS context with a certificate for some names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(*names.split()).configure_cert(context)
    return context


def trust(path: Path) -> ssl.SSLContext:
    """The system's trust and our authority's, by the way that settings take: a file."""
    path.write_bytes(authority().cert_pem.bytes())
    return tls_context(str(path))


class Recorder:
    """A script that remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    async def __call__(self, peer: Peer) -> None:
        while (asked := await peer.request()) is not None:
            self.asked.append(asked)
            await peer.send(b"HTTP/1.1 204 N\r\n\r\n")
