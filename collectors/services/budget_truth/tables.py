"""The tables of budget truth. Sums of money and tokens are decimal text: they are exact, and no width ends them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    select,
    text,
)
from sqlalchemy.schema import CreateColumn

METADATA = MetaData()
STATE_ID = 1

STATE = Table(
    "budget_truth_state",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("applied", BigInteger, nullable=False),
    Column("caught_up_at", BigInteger, nullable=False),
    Column("covers_since", BigInteger, nullable=False),
    Column("has_begun", Boolean, nullable=False),
)
"""One row: whose it is (``epoch`` fences), and how far it is. Times are micros of the epoch."""

OFFSETS = Table(
    "budget_truth_offsets",
    METADATA,
    Column("partition", String(512), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("lost", Text, nullable=False),
    Column("log_id", Text, nullable=False, server_default=""),
)
"""How far each partition is applied; ``lost`` are the offsets that were deleted before they were read. ``log_id`` is
the log that all of it is of, empty where none is known; an earlier version leaves it as it is, in new rows empty."""

BOOTS = Table(
    "budget_truth_boots",
    METADATA,
    Column("key", String(800), primary_key=True),
    Column("gateway_id", Text, nullable=False),
    Column("worker", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("through", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("reported", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("is_closed", Boolean, nullable=False),
    Column("excused", BigInteger, nullable=False),
    Column("uncovered", BigInteger, nullable=False),
    Column("gap_at", BigInteger, nullable=False),
    Column("gap_since", BigInteger, nullable=False),
    Column("gap_told", BigInteger, nullable=False),
)
"""A line for each life of a worker: 1 to ``through`` are seen, ``seen`` in all, the rest is in the pages."""

PAGES = Table(
    "budget_truth_pages",
    METADATA,
    Column("key", String(800), primary_key=True),
    Column("page", BigInteger, primary_key=True),
    Column("digests", LargeBinary, nullable=False),
)
"""What is seen beyond ``through``, and which events the latest numbers were given to."""

TOTALS = Table(
    "budget_truth_totals",
    METADATA,
    Column("key", String(1100), primary_key=True),
    Column("scope", Text, nullable=False),
    Column("scope_id", Text, nullable=False),
    Column("period_id", Text, nullable=False),
    Column("period_start", BigInteger, nullable=False),
    Column("period_end", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("spent_nanos", Text, nullable=False),
    Column("corrected_nanos", Text, nullable=False),
    Column("tokens", Text, nullable=False),
    Column("requests", Text, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
    Column("published", BigInteger, nullable=False),
    Column("published_at", BigInteger, nullable=False),
)
"""``spent_nanos`` with the corrections, which ``corrected_nanos`` has alone."""

PROBLEMS = Table(
    "budget_truth_problems",
    METADATA,
    Column("kind", String(64), primary_key=True),
    Column("events", BigInteger, nullable=False),
    Column("example", Text, nullable=False),
    Column("last_at", BigInteger, nullable=False),
)

LEDGER = Table(
    "budget_truth_ledger",
    METADATA,
    Column("key", String(255), primary_key=True),
    Column("scope", Text, nullable=False),
    Column("scope_id", Text, nullable=False),
    Column("period_start", BigInteger, nullable=False),
    Column("period_end", BigInteger, nullable=False),
    Column("checks", Integer, nullable=False),
    Column("baseline_nanos", Text, nullable=False),
    Column("truth_nanos", Text, nullable=False),
    Column("ledger_nanos", Text, nullable=False),
    Column("difference_nanos", Text, nullable=False),
)
"""What the ledger said last; ``baseline_nanos`` was spent before the ledger counted, ``difference_nanos`` stayed."""


def create(connection: Connection, namespace: str) -> None:
    """Make the tables that are missing, bring those of an earlier version up to date, and make the state's one row."""
    METADATA.create_all(connection)
    for column in _missing(connection):
        made = CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(text(f"ALTER TABLE {column.table.name} ADD COLUMN {made}"))
    if connection.execute(select(STATE.c.id)).first() is None:
        blank = dict.fromkeys(("epoch", "expires_at", "revision", "applied", "caught_up_at", "covers_since"), 0)
        connection.execute(STATE.insert().values(id=STATE_ID, namespace=namespace, owner="", has_begun=False, **blank))


def are_there(connection: Connection) -> bool:
    """Whether somebody has made them, to the last: SQLite shows them one by one."""
    return inspect(connection).has_table(STATE.name) and connection.execute(select(STATE.c.id)).first() is not None


def are_up_to_date(connection: Connection) -> bool:
    """Whether the tables that are there have every column: an earlier version's get theirs when the service starts."""
    return not _missing(connection)


def _missing(connection: Connection) -> list[Column[Any]]:
    """The columns that an earlier version did not have."""
    there = {column["name"] for column in inspect(connection).get_columns(OFFSETS.name)}
    return [column for column in (OFFSETS.c.log_id,) if column.name not in there]
