"""What the databases' errors mean: PostgreSQL's by SQLSTATE, SQLite's by their text.

| error | class |
|---|---|
| a value or a row that the table or an index of it does not take (22, 23, 54000) | poison, once it is found |
| connections (08), deadlock (40), disk, memory, connections used up (53), an operator's doing (57) | retry |
| wrong user or password (28), no such database (3D), no right (42501), only readable (25006) | halt |
| a missing table | made again, once; then halt |
| a missing column or schema, a column of another type | halt |
| anything else | retry |
"""

from __future__ import annotations

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from collectors.errors import Halt, Retryable, Unprocessable, without_values


class TableMissing(Halt):
    """A table is not there."""


_ROW_CLASSES = ("22", "23")
_ROW_TOO_LARGE = "54000"
"""Of an index above all: no row of it may be beyond a third of a page."""
_TABLE_DIFFERS = "the table is of another version: add the column, or move the table away"
_TABLE_REMEDY = "restore the table, or restart the collector with a user who may make it"
_HALTS = {
    "28": "check the user and password of the database's url",
    "3D": "create the database, or correct the url",
    "42501": "grant INSERT and SELECT on the tables, or CREATE on the schema for the first start",
    "3F000": "create the schema, or correct the user's search_path",
    "42703": _TABLE_DIFFERS,
    "42804": _TABLE_DIFFERS,
    "42P10": "the table has no unique event_id: add PRIMARY KEY (event_id), or move the table away",
    "25006": "name the primary in the url: this server only reads",
}
"""By SQLSTATE or its class."""
_SQLITE_HALTS = (
    "unable to open", "readonly", "read-only", "malformed", "not a database", "no such column", "has no column",
    "on conflict clause does not match",
)  # fmt: skip
_SQLITE_NO_TABLE = "no such table"
_UNDEFINED_TABLE = "42P01"


def cause_of(error: Exception) -> Retryable | Halt | Unprocessable:
    """What to do about what the database, its driver or the system raised."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    first_line = str(said).partition("\n")[0]  # PostgreSQL's next ones hold the whole row
    message = f"events database: {without_values(first_line or type(said).__name__)}"
    if state := str(getattr(said, "sqlstate", None) or ""):
        return _by_state(state, message)
    if isinstance(error, IntegrityError | DataError):
        return Unprocessable("row_refused", without_values(first_line))
    text = str(said).lower()
    if _SQLITE_NO_TABLE in text:
        return TableMissing(message, _TABLE_REMEDY)
    if isinstance(error, PermissionError) or any(known in text for known in _SQLITE_HALTS):
        return Halt(message, "check the path and the rights of the events database")
    return Retryable(message)


def _by_state(state: str, message: str) -> Retryable | Halt | Unprocessable:
    if state[:2] in _ROW_CLASSES or state == _ROW_TOO_LARGE:
        return Unprocessable("row_refused", f"{state}: {message}")
    if state == _UNDEFINED_TABLE:
        return TableMissing(message, _TABLE_REMEDY)
    if remedy := _HALTS.get(state) or _HALTS.get(state[:2]):
        return Halt(message, remedy)
    return Retryable(message)
