"""What databases' errors mean: SQLSTATE by SQLSTATE, and nothing of a value in what is said."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from collectors.errors import Halt, Retryable, Unprocessable
from collectors.sinks.database.causes import TableMissing, cause_of


class Said(Exception):  # noqa: N818 - what a driver said
    """As a driver raises it."""

    def __init__(self, state: str, text: str = "") -> None:
        super().__init__(text)
        self.sqlstate = state


@pytest.mark.parametrize(
    ("state", "means"),
    [
        ("08006", Retryable), ("40P01", Retryable), ("40001", Retryable), ("53100", Retryable), ("53300", Retryable),
        ("55000", Retryable), ("55P03", Retryable), ("57P01", Retryable), ("57P03", Retryable), ("57014", Retryable),
        ("58030", Retryable), ("XX000", Retryable),
        ("28P01", Halt), ("28000", Halt), ("3D000", Halt), ("42501", Halt), ("42703", Halt), ("25006", Halt),
        ("3F000", Halt), ("42804", Halt), ("42P10", Halt), ("54000", Unprocessable), ("54001", Retryable),
        ("42P01", TableMissing),
        ("22021", Unprocessable), ("22003", Unprocessable), ("23502", Unprocessable), ("23514", Unprocessable),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_wrapped", [True, False])
def test_each_state_has_its_class(state: str, means: type[Exception], is_wrapped: bool) -> None:
    """Through SQLAlchemy, and as the driver raises it where no connection was made."""
    said = Said(state, "permission denied")
    error = DBAPIError("INSERT", {}, said) if is_wrapped else said
    assert type(cause_of(error)) is means


@pytest.mark.parametrize(
    ("error", "means"),
    [
        (ConnectionRefusedError("refused"), Retryable),
        (TimeoutError(), Retryable),
        (PermissionError("x"), Halt),
        (DBAPIError("", {}, Exception("database is locked")), Retryable),
        (DBAPIError("", {}, Exception("database or disk is full")), Retryable),
        (DBAPIError("", {}, Exception("attempt to write a readonly database")), Halt),
        (DBAPIError("", {}, Exception("no such table: analytics")), TableMissing),
        (DBAPIError("", {}, Exception("no such column: x")), Halt),
        (DBAPIError("", {}, Exception("table analytics has no column named attempts")), Halt),
        (IntegrityError("", {}, Exception("NOT NULL constraint failed")), Unprocessable),
    ],
)
def test_what_has_no_state(error: Exception, means: type[Exception]) -> None:
    """SQLite's errors and the system's."""
    assert type(cause_of(error)) is means


def test_no_value_is_said() -> None:
    """PostgreSQL quotes what it does not like."""
    cause = cause_of(DBAPIError("", {}, Said("22P02", "invalid input syntax for type bigint: 'hunter2'")))
    assert "hunter2" not in str(cause)
    row = 'new row violates check constraint "c"\nDETAIL:  Failing row contains (1, hunter2)'
    for error in (DBAPIError("", {}, Said("23514", row)), IntegrityError("", {}, Exception(row))):
        cause = cause_of(error)
        assert "hunter2" not in str(cause)
        assert "check constraint" in str(cause)
