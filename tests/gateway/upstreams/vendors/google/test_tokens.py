"""Tests of ``gateway.upstreams.vendors.google.tokens``: one exchange for all who wait, on a clock that tests turn."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.errors import UpstreamUnreachable
from gateway.upstreams.client import Origin, Timeouts, UpstreamRequest
from gateway.upstreams.vendors.google.tokens import AccessToken, TokenRefusedError, TokenSigner


class Endpoint:
    """Gives tokens, or fails, or waits."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails = False
        self.now = 1000.0
        self.gate = threading.Event()
        self.gate.set()

    def fetch(self) -> AccessToken:
        """The next one."""
        self.calls += 1
        self.gate.wait(5)
        if self.fails:
            raise TokenRefusedError("its token endpoint answered 400 (invalid_grant)")
        return AccessToken(f"token-{self.calls}", 3600.0)

    def clock(self) -> float:
        """Its time."""
        return self.now


@pytest.fixture
def endpoint() -> Endpoint:
    """A new one."""
    return Endpoint()


@pytest.fixture
def signer(endpoint: Endpoint) -> TokenSigner:
    """What asks it."""
    return TokenSigner(endpoint.fetch, endpoint.clock)


async def token(signer: TokenSigner) -> str:
    """What a request is signed with; it keeps its own headers, and is not changed itself."""
    request = UpstreamRequest(Origin("http", "h", 1), b"POST", b"/", [(b"a", b"b")], b"", Timeouts())
    signed = await signer.sign(request)
    assert request.headers == [(b"a", b"b")]
    assert signed.headers[0] == (b"a", b"b")
    [(name, value)] = signed.headers[1:]
    assert name == b"authorization"
    return value.decode().removeprefix("Bearer ")


async def test_a_token_is_kept_until_shortly_before_its_end(endpoint: Endpoint, signer: TokenSigner) -> None:
    """Five minutes before."""
    assert [await token(signer) for _ in range(3)] == ["token-1"] * 3
    endpoint.now += 3600 - 301
    assert await token(signer) == "token-1"
    endpoint.now += 2
    assert await token(signer) == "token-2"
    assert endpoint.calls == 2


async def test_who_come_together_share_one(endpoint: Endpoint, signer: TokenSigner) -> None:
    """One exchange, however many wait for it; also where one of them leaves."""
    endpoint.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(token(signer)) for _ in range(20)]
        await asyncio.sleep(0)
        endpoint.gate.set()
    assert {task.result() for task in asked} == {"token-1"}
    assert endpoint.calls == 1


async def test_while_one_has_the_new_the_old_serves(endpoint: Endpoint, signer: TokenSigner) -> None:
    """Nobody waits for what is not needed yet."""
    await token(signer)
    endpoint.now += 3400
    endpoint.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(token(signer))
        while endpoint.calls < 2:  # noqa: ASYNC110 - another thread's step
            await asyncio.sleep(0)
        assert await token(signer) == "token-1"
        endpoint.gate.set()
    assert first.result() == "token-2"


async def test_a_failure_is_shared_and_not_kept(endpoint: Endpoint, signer: TokenSigner) -> None:
    """Each who waited hears it; who comes later tries again. Nothing was sent, so nothing is billed."""
    endpoint.fails = True
    endpoint.gate.clear()
    asked = [asyncio.ensure_future(token(signer)) for _ in range(10)]  # noqa: TID251 - their failures are what is tested
    await asyncio.sleep(0)
    endpoint.gate.set()
    faults = await asyncio.gather(*asked, return_exceptions=True)
    assert endpoint.calls == 1
    for fault in faults:
        assert isinstance(fault, UpstreamUnreachable)
        assert str(fault) == "no access token for the vendor: its token endpoint answered 400 (invalid_grant)"
        assert not fault.may_be_billed
    endpoint.fails = False
    assert await token(signer) == "token-2"


async def test_a_failure_while_the_old_one_is_good_is_no_failure(endpoint: Endpoint, signer: TokenSigner) -> None:
    """It serves to its end; the endpoint is left alone for a while."""
    await token(signer)
    endpoint.fails = True
    endpoint.now += 3400
    assert [await token(signer) for _ in range(5)] == ["token-1"] * 5
    assert endpoint.calls == 2
    endpoint.now += 11
    assert await token(signer) == "token-1"
    assert endpoint.calls == 3
    endpoint.now += 200
    with pytest.raises(UpstreamUnreachable):
        await token(signer)


async def test_who_leaves_takes_nobody_along(endpoint: Endpoint, signer: TokenSigner) -> None:
    """The next one asks for itself."""
    endpoint.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(token(signer))
        second = tasks.create_task(token(signer))
        while not endpoint.calls:  # noqa: ASYNC110 - another thread's step
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        endpoint.gate.set()
    assert first.cancelled()
    assert second.result() == "token-2"
