"""The tables: what must be true of all of them, so that both databases and all programs agree."""

from __future__ import annotations

from sqlalchemy import Float, UniqueConstraint

from gateway.control.specs import SPECS
from gateway.control.tables import METADATA


def test_money_is_never_a_float() -> None:
    """Columns of nanos are whole numbers that hold more than 2 000 000 000."""
    columns = [column for table in METADATA.tables.values() for column in table.columns]
    nanos = [column for column in columns if column.name.endswith("_nanos")]
    assert len(nanos) > 5
    assert all(column.type.python_type is int and "BIG" in str(column.type) for column in nanos)
    assert {column.name for column in columns if isinstance(column.type, Float)} == {
        "timeout_seconds",
        "breaker_pause_seconds",
    }


def test_ids_are_given_once() -> None:
    """No id of an entity and no generation is used again after a deletion, on SQLite either."""
    for name in ("changes", *(spec.table.name for spec in SPECS.values())):
        assert METADATA.tables[name].dialect_options["sqlite"]["autoincrement"] is True


def test_names_of_constraints_are_known() -> None:
    """Every constraint has a name that a later migration can drop it by."""
    for table in METADATA.tables.values():
        assert all(constraint.name for constraint in table.constraints), table.name
        assert all(index.name for index in table.indexes), table.name


def test_what_refers_to_an_entity_goes_with_it() -> None:
    """Every foreign key has an index that begins with its column, or a key does, and is deleted by cascade."""
    for table in METADATA.tables.values():
        leading = {next(iter(index.columns)).name for index in table.indexes}
        leading |= {next(iter(table.primary_key.columns)).name}
        unique = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
        leading |= {next(iter(constraint.columns)).name for constraint in unique}
        for key in table.foreign_keys:
            assert key.ondelete == "CASCADE"
            assert key.parent.name in leading, f"{table.name}.{key.parent.name}"
