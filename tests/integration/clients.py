"""Three ways to ask: the real ``openai`` SDK, sync and async, and plain HTTP. Each makes an account of what it saw."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any, Protocol

import httpx
import openai

from tests.integration.accounts import Ending, Exchanged, tokens_of_bytes
from tests.integration.asks import Ask

TIMEOUT_SECONDS = 20.0
EARLY_SECONDS = 0.3
"""After which a client that leaves early has had enough; by then the vendor has been asked."""

_NOT_CONNECTED = frozenset(("ConnectError", "ConnectTimeout"))
_NO_APP_YET = frozenset(("overloaded", "eventlog_unavailable"))
"""Answers that come before anybody looked for an app."""


class _Message(Protocol):
    """A request or a response of httpx, or of what an SDK uses in its place."""

    @property
    def headers(self) -> Any: ...


class Heads:
    """What goes over the wire beside what an SDK shows: the size of a request, the head of its answer."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Ask, Exchanged]] = {}

    def note_request(self, request: Any) -> None:
        """Called by the SDK's own HTTP client."""
        ask, account = self._open[request.headers["x-request-id"]]
        account.sent_bytes = ask.sent_bytes(len(request.content))

    def note_response(self, response: Any) -> None:
        """Called by the SDK's own HTTP client, when the head is here."""
        _, account = self._open[response.request.headers["x-request-id"]]
        note_head(account, response.status_code, response)

    async def note_request_async(self, request: Any) -> None:
        """The same, for the async client."""
        self.note_request(request)

    async def note_response_async(self, response: Any) -> None:
        """The same, for the async client."""
        self.note_response(response)

    @contextlib.contextmanager
    def account(self, ask: Ask) -> Iterator[Exchanged]:
        """The account of one exchange, whose end is told by the exception that ends it."""
        account = ask.begin()
        started = time.monotonic()
        self._open[ask.request_id] = (ask, account)
        try:
            yield account
            account.ending = "left" if account.ending == "left" else "complete"
        except openai.APIStatusError as refusal:
            account.ending = "complete"
            take_code(account, refusal.code)
        except Exception as error:
            account.ending = ending_of(error, leaves=ask.case.leaves == "early")
            if not is_expected(error):
                raise
        finally:
            del self._open[ask.request_id]
            account.at = time.monotonic()
            account.seconds = account.at - started


def note_head(account: Exchanged, status: int, response: _Message) -> None:
    """An answer's head."""
    account.status = status
    account.exchange_id = response.headers.get("x-sluice-exchange-id", "")


def take_code(account: Exchanged, code: str | None) -> None:
    """An answer of the gateway's own that came before an app was known."""
    if code in _NO_APP_YET:
        account.knows_app = False
        account.outcomes = frozenset((code or "",))


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def ending_of(error: BaseException, *, leaves: bool) -> Ending:
    """How an exchange ended that an exception ended."""
    names = {type(found).__name__ for found in chain_of(error)}
    if names & _NOT_CONNECTED:
        return "refused"
    return "left" if leaves and "ReadTimeout" in names else "broken"


def is_expected(error: BaseException) -> bool:
    """A connection's end, told by an HTTP library; anything else is a fault of these tests, or no answer at all."""
    return isinstance(error, openai.APIConnectionError) or any(
        kind.__name__ == "TransportError" for found in chain_of(error) for kind in type(found).__mro__
    )


class SdkClient:
    """The real SDK, without its retries, in a thread of its own."""

    def __init__(self, url: str) -> None:
        self._heads = Heads()
        hooks: dict[str, list[Any]] = {
            "request": [self._heads.note_request],
            "response": [self._heads.note_response],
        }
        http = openai.DefaultHttpxClient(event_hooks=hooks)
        self._url = url
        self._client = openai.OpenAI(
            base_url=url, api_key="from the header", http_client=http, max_retries=0, timeout=TIMEOUT_SECONDS
        )

    def exchange(self, ask: Ask) -> Exchanged:
        """One exchange, to its end."""
        client = self._client.with_options(base_url=f"{self._url}/llm/call/{ask.case.slug}")
        with self._heads.account(ask) as account:
            answer = client.chat.completions.create(**ask.arguments, extra_headers=ask.headers)
            if ask.case.is_stream:
                account.received_tokens = sum(1 for _ in answer) + 1  # the terminal event, which the SDK keeps
        return account

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class AsyncSdkClient:
    """The same SDK, async."""

    def __init__(self, url: str) -> None:
        self._heads = Heads()
        hooks: dict[str, list[Any]] = {
            "request": [self._heads.note_request_async],
            "response": [self._heads.note_response_async],
        }
        http = openai.DefaultAsyncHttpxClient(event_hooks=hooks)
        self._url = url
        self._client = openai.AsyncOpenAI(
            base_url=url, api_key="from the header", http_client=http, max_retries=0, timeout=TIMEOUT_SECONDS
        )

    async def exchange(self, ask: Ask) -> Exchanged:
        """One exchange, to its end or to where its client leaves."""
        route = f"{self._url}/llm/{'stream' if ask.case.is_stream else 'rest'}/{ask.case.slug}"
        client = self._client.with_options(base_url=route)
        timeout = EARLY_SECONDS if ask.case.leaves == "early" else TIMEOUT_SECONDS
        with self._heads.account(ask) as account:
            answer = await client.chat.completions.create(
                **ask.arguments, extra_headers=ask.headers, timeout=_timeout(timeout)
            )
            if ask.case.is_stream:
                await self._read(ask, account, answer)
        return account

    async def _read(self, ask: Ask, account: Exchanged, stream: Any) -> None:
        async for _ in stream:
            account.received_tokens += 1
            if ask.case.leaves == "midway" and account.received_tokens > 2:
                account.ending = "left"
                await stream.close()
                return
        account.received_tokens += 1  # the terminal event, which the SDK keeps

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _timeout(read: float) -> Any:
    return openai.Timeout(TIMEOUT_SECONDS, read=read)


class HttpClient:
    """Plain HTTP, which knows nothing of terminal events: complete is what the framing says."""

    def __init__(self, url: str) -> None:
        self._heads = Heads()
        self._url = url
        self._client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS)

    async def exchange(self, ask: Ask) -> Exchanged:
        """One exchange, to its end or to where its client leaves."""
        body = ask.body
        timeout = httpx.Timeout(TIMEOUT_SECONDS, read=EARLY_SECONDS if ask.case.leaves == "early" else TIMEOUT_SECONDS)
        with self._heads.account(ask) as account:
            account.sent_bytes = ask.sent_bytes(len(body))
            headers = {**ask.headers, "content-type": "application/json"}
            async with self._client.stream(
                "POST", self._route(ask), content=body, headers=headers, timeout=timeout
            ) as response:
                note_head(account, response.status_code, response)
                await self._read(ask, account, response)
        return account

    def _route(self, ask: Ask) -> str:
        if ask.case.slug == "main" and not ask.case.is_stream:
            return f"{self._url}/api/v1/llms/1/proxy/v1/chat/completions"
        return f"{self._url}/llm/call/{ask.case.slug}/v1/chat/completions"

    async def _read(self, ask: Ask, account: Exchanged, response: httpx.Response) -> None:
        received = b""
        async for chunk in response.aiter_raw():
            received += chunk
            is_stream = ask.case.is_stream and response.status_code < 400
            account.received_tokens = received.count(b"\n\n") if is_stream else tokens_of_bytes(len(received))
            if ask.case.leaves == "midway":
                account.ending = "left"
                return
        if response.status_code == 503:
            take_code(account, response.json().get("code") if not received else _code_of(received))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _code_of(body: bytes) -> str | None:
    for code in _NO_APP_YET:
        if f'"code":"{code}"'.encode() in body:
            return code
    return None


async def sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    """A client's pause, which the end of the traffic cuts short."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
