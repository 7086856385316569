"""What databases raise through SQLAlchemy, and beside it."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError


def known_errors() -> tuple[type[Exception], ...]:
    """What they raise; the driver's own come through where no connection was made."""
    try:
        from asyncpg import InterfaceError, PostgresError  # noqa: PLC0415 - an extra
    except ImportError:
        return (SQLAlchemyError, OSError)
    return (SQLAlchemyError, OSError, PostgresError, InterfaceError)
