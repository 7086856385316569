"""Many rows at once: a batch is one call of the driver, and between two of them the event loop goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from sqlalchemy import Delete, Insert, Update
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.control.rows import Row

T = TypeVar("T")

ROWS = 500
"""Of a batch: a row is some 20 µs of the loop."""


async def execute_batches(
    connection: AsyncConnection, statement: Insert | Update | Delete, rows: Iterable[Row]
) -> None:
    """Execute a statement for each row, in their order; for none at all nothing is executed."""
    for _, alike in groupby(rows, key=tuple):  # the driver's statement is made of the first row's columns
        for batch in in_batches(alike):
            await connection.execute(statement, batch)


def in_batches(values: Iterable[T]) -> Iterator[list[T]]:
    """The values, so many at a time."""
    left = iter(values)
    while batch := list(islice(left, ROWS)):
        yield batch
