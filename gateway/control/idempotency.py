"""Answers to requests that carried an idempotency key, so that the same request gets the same answer again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.control.database import ControlDatabase
from gateway.control.tables import IDEMPOTENCY
from sluice.clock import now_micros

KEEP_MICROS = 24 * 3600 * 1_000_000
UNANSWERED = 0
"""The status of a request that is under way."""
_ABANDONED_MICROS = 60 * 1_000_000
"""A request that had no answer for so long was cut, by a kill: its key is free again."""


@dataclass(frozen=True, slots=True)
class IdempotentAnswer:
    """What a request was answered; ``status`` is 0 while it is under way."""

    request_sha256: str
    status: int
    body: bytes


class Idempotency:
    """The keys of each token, for a day."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database

    async def get(self, token_id: int, key: str) -> IdempotentAnswer | None:
        """What this token's key stands for; ``None`` where it was not used within a day."""
        async with self._database.read() as connection:
            return await _find(connection, token_id, key)

    async def claim(self, token_id: int, key: str, request_sha256: str) -> IdempotentAnswer | None:
        """Take a key before the work is done; of several at once one gets ``None`` and does it.

        The others get what the key stands for. Follow it by ``put``, or by ``release`` where nothing was done.
        """
        async with self._database.write() as connection:
            found = await _find(connection, token_id, key)
            if found is None:
                await _write(connection, token_id, key, IdempotentAnswer(request_sha256, UNANSWERED, b""))
            return found

    async def put(self, token_id: int, key: str, request_sha256: str, status: int, body: bytes) -> None:
        """Keep an answer for a day, whether or not the key was claimed."""
        async with self._database.write() as connection:
            await connection.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.at < now_micros() - KEEP_MICROS))
            await _write(connection, token_id, key, IdempotentAnswer(request_sha256, status, body))

    async def release(self, token_id: int, key: str) -> None:
        """Give a claimed key back: its request changed nothing and may be tried again."""
        async with self._database.write() as connection:
            is_claim = IDEMPOTENCY.c.status == UNANSWERED
            await connection.execute(delete(IDEMPOTENCY).where(*_is(token_id, key), is_claim))


async def _find(connection: AsyncConnection, token_id: int, key: str) -> IdempotentAnswer | None:
    row = (await connection.execute(select(IDEMPOTENCY).where(*_is(token_id, key)))).mappings().first()
    if row is None:
        return None
    kept = KEEP_MICROS if row["status"] != UNANSWERED else _ABANDONED_MICROS
    if row["at"] < now_micros() - kept:
        return None
    return IdempotentAnswer(row["request_sha256"], row["status"], bytes(row["body"]))


async def _write(connection: AsyncConnection, token_id: int, key: str, answer: IdempotentAnswer) -> None:
    values = {"request_sha256": answer.request_sha256, "status": answer.status, "body": answer.body}
    values["at"] = now_micros()
    changed = await connection.execute(update(IDEMPOTENCY).where(*_is(token_id, key)).values(values))
    if not changed.rowcount:
        await connection.execute(insert(IDEMPOTENCY).values(token_id=token_id, key=key, **values))


def _is(token_id: int, key: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return IDEMPOTENCY.c.token_id == token_id, IDEMPOTENCY.c.key == key
