"""Idempotency keys: the same request gets the same answer for a day, and is done once."""

from __future__ import annotations

import asyncio

import pytest

from gateway.control import idempotency
from gateway.control.idempotency import KEEP_MICROS, IdempotentAnswer
from gateway.control.store import ControlStore
from gateway.control.tables import IDEMPOTENCY

MINUTE = 60 * 1_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Its item is the time, in micros."""
    now = [1_000_000_000_000_000]
    monkeypatch.setattr(idempotency, "now_micros", lambda: now[0])
    return now


async def test_an_answer_is_kept_for_a_day(store: ControlStore, clock: list[int]) -> None:
    """What was put is got by the same token and key, byte by byte, until a day has gone."""
    keys = store.idempotency
    assert await keys.get(1, "k") is None
    await keys.put(1, "k", "a" * 64, 201, b'{"id":1}\x00\xff')
    answer = IdempotentAnswer("a" * 64, 201, b'{"id":1}\x00\xff')
    assert await keys.get(1, "k") == answer
    assert await keys.get(2, "k") is None
    assert await keys.get(1, "K") is None
    clock[0] += KEEP_MICROS
    assert await keys.get(1, "k") == answer
    clock[0] += 1
    assert await keys.get(1, "k") is None
    await keys.put(1, "k", "b" * 64, 200, b"")
    assert await keys.get(1, "k") == IdempotentAnswer("b" * 64, 200, b"")


async def test_old_answers_are_pruned(store: ControlStore, clock: list[int]) -> None:
    """Answers older than a day are deleted when another is put."""
    await store.idempotency.put(1, "old", "a" * 64, 201, b"x")
    clock[0] += KEEP_MICROS + 1
    await store.idempotency.put(1, "new", "a" * 64, 201, b"x")
    async with store.database.read() as connection:
        rows = (await connection.execute(IDEMPOTENCY.select())).mappings().all()
    assert [row["key"] for row in rows] == ["new"]


async def test_of_many_at_once_one_has_the_key(store: ControlStore) -> None:
    """Of requests with one key at the same time one is told to do the work; the others see that it is under way."""
    claims = await asyncio.gather(*(store.idempotency.claim(1, "k", "a" * 64) for _ in range(8)))
    assert claims.count(None) == 1
    assert {claim.status for claim in claims if claim} == {0}
    await store.idempotency.put(1, "k", "a" * 64, 201, b"done")
    assert await store.idempotency.claim(1, "k", "b" * 64) == IdempotentAnswer("a" * 64, 201, b"done")
    assert await store.idempotency.get(1, "k") == IdempotentAnswer("a" * 64, 201, b"done")


async def test_a_claim_that_came_to_nothing_is_free_again(store: ControlStore, clock: list[int]) -> None:
    """A claim that was given back, or was cut a minute ago, is to be had again; an answer is not given back."""
    keys = store.idempotency
    assert await keys.claim(1, "k", "a" * 64) is None
    await keys.release(1, "k")
    assert await keys.claim(1, "k", "b" * 64) is None
    clock[0] += MINUTE + 1
    assert await keys.claim(1, "k", "c" * 64) is None
    assert (await keys.get(1, "k")) == IdempotentAnswer("c" * 64, 0, b"")
    await keys.put(1, "k", "c" * 64, 200, b"")
    await keys.release(1, "k")
    assert await keys.get(1, "k") == IdempotentAnswer("c" * 64, 200, b"")
