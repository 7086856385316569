"""What databases raise: also what SQLAlchemy lets through."""

from __future__ import annotations

import sys

import pytest
from asyncpg import InvalidPasswordError
from sqlalchemy.exc import OperationalError

from sluice.eventstore.database_errors import known_errors


def test_a_driver_s_own_errors_are_known() -> None:
    """A wrong password is told by asyncpg itself: no connection was made, so SQLAlchemy had nothing to translate."""
    for known in (OperationalError, OSError, InvalidPasswordError):
        assert issubclass(known, known_errors())
    assert not issubclass(ValueError, known_errors())


def test_without_a_driver_the_others_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL is an extra."""
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    assert issubclass(OperationalError, known_errors())
    assert not issubclass(InvalidPasswordError, known_errors())
