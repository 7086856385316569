"""Tests of ``sluice.sdk.serving.kv``, against our own host's side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sluice.clock import now_micros
from sluice.sdk import KeyValue, NotFound, ScopeDenied, ServiceError
from sluice.sdk.testing import make_context
from tests.sluice.sdk.serving.asking import asking


@pytest.fixture
async def kv(tmp_path: Path) -> AsyncIterator[KeyValue]:
    """An empty one."""
    async with asking(make_context().services, tmp_path) as services:
        yield services.kv


async def test_what_is_written_is_read(kv: KeyValue) -> None:
    """Any bytes, none among them, under any key."""
    assert await kv.write("a", b"\x00\xff")
    assert not await kv.write("a", b"")
    assert await kv.read("a") == b""
    assert await kv.write("ключ", b"1")
    assert await kv.delete("a")
    assert not await kv.delete("a")
    with pytest.raises(NotFound):
        await kv.read("a")


async def test_what_has_expired_is_not_there(tmp_path: Path) -> None:
    """By the clock to the microsecond, or from now on."""
    host = make_context().services
    async with asking(host, tmp_path) as services:
        at = host.clock.now_micros() + 1
        await services.kv.write("at", b"1", at)
        await services.kv.write("never", b"1")
        assert await services.kv.read("at") == b"1"
        host.clock.advance(0.000001)
        with pytest.raises(NotFound):
            await services.kv.read("at")
        host.clock.advance(1e9)
        assert await services.kv.read("never") == b"1"


async def test_so_many_seconds_are_from_now_on(tmp_path: Path) -> None:
    """By this machine's clock, which is the host's."""
    host = make_context().services
    host.clock.micros = now_micros()
    async with asking(host, tmp_path) as services:
        await services.kv.write_with_ttl("soon", b"1", 60)
        host.clock.advance(50)
        assert await services.kv.read("soon") == b"1"
        host.clock.advance(50)
        with pytest.raises(NotFound):
            await services.kv.read("soon")


async def test_keys_are_listed(kv: KeyValue) -> None:
    """By their beginning, at most so many: the protocol has no such call, our host does."""
    for key in ("a1", "a2", "a3", "b1"):
        await kv.write(key, b"")
    assert list(await kv.list("a")) == ["a1", "a2", "a3"]
    assert list(await kv.list("a", 2)) == ["a1", "a2"]
    assert len(await kv.list()) == 4


async def test_it_takes_its_scope(tmp_path: Path) -> None:
    """The error says how an operator grants it."""
    async with asking(make_context().services, tmp_path, scopes=("apps.read",)) as services:
        for call in (services.kv.read("a"), services.kv.write("a", b""), services.kv.delete("a"), services.kv.list()):
            with pytest.raises(ScopeDenied, match=r"kv\.readwrite.*service_scopes"):
                await call


async def test_what_is_no_key_or_value_is_an_error_here(kv: KeyValue) -> None:
    """Before anything is sent."""
    wrong: object = 7
    with pytest.raises(ServiceError):
        await kv.read(wrong)  # type: ignore[arg-type]
    with pytest.raises(ServiceError):
        await kv.write("a", "text")  # type: ignore[arg-type]
