"""Rows in batches: all of them, in their order, in few calls."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, delete, insert, select

from gateway.control.batches import ROWS, execute_batches, in_batches
from gateway.control.database import ControlDatabase
from gateway.control.tables import CHANGES


def change(entity_id: int) -> dict[str, object]:
    """A row."""
    return {"kind": "app", "entity_id": entity_id, "at": 0}


@pytest.mark.parametrize("count", [0, 1, ROWS, ROWS + 1, 2 * ROWS])
def test_every_row_is_in_one_batch(count: int) -> None:
    """In their order, none of them empty."""
    batches = list(in_batches(change(number) for number in range(count)))
    assert [row["entity_id"] for batch in batches for row in batch] == list(range(count))
    assert all(0 < len(batch) <= ROWS for batch in batches)


async def test_rows_are_written_in_their_order(database: ControlDatabase) -> None:
    """However many batches they are; those that have other columns are not lost among the others."""
    many = 2 * ROWS + 3
    async with database.write() as connection:
        await execute_batches(connection, insert(CHANGES), (change(number) for number in range(many)))
        found = (await connection.scalars(select(CHANGES.c.entity_id).order_by(CHANGES.c.generation))).all()
        assert found == list(range(many))
        await execute_batches(connection, delete(CHANGES).where(CHANGES.c.entity_id == bindparam("which")), [])
        rows = ({"which": number} for number in range(1, many))
        await execute_batches(connection, delete(CHANGES).where(CHANGES.c.entity_id == bindparam("which")), rows)
        assert (await connection.scalars(select(CHANGES.c.entity_id))).all() == [0]
        await execute_batches(connection, insert(CHANGES), [change(7), {**change(8), "generation": 5_000}])
        assert (await connection.scalars(select(CHANGES.c.generation).where(CHANGES.c.entity_id == 8))).all() == [5_000]
