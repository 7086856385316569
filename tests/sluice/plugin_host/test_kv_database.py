"""Tests of ``sluice.plugin_host.kv_database``: two processes' connections, a damaged, full, locked, foreign file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.plugin_host.kv_database import PURGE_ROWS, Entry, KvDatabase
from sluice.plugin_host.kv_schema import NEVER
from sluice.sdk.errors import PayloadTooLarge, ServiceUnavailable

BOUND = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database lies; its folder is not there yet."""
    return tmp_path / "data" / "plugins.db"


@pytest.fixture
def database(path: Path) -> Iterator[KvDatabase]:
    """One connection."""
    made = KvDatabase(path, busy_seconds=0.2)
    yield made
    made.close()


def write(database: KvDatabase, key: bytes, value: bytes = b"v", expires_at: int = NEVER, now: int = 10) -> bool:
    """For plugin 1, within ``BOUND`` bytes."""
    return database.write(Entry(1, key, value, expires_at), now, BOUND)


def test_what_one_connection_writes_another_reads(database: KvDatabase, path: Path) -> None:
    """A commit is seen by whoever reads next, whatever connection it has."""
    other = KvDatabase(path)
    assert write(database, b"a", b"1")
    assert other.read(1, b"a", 10) == b"1"
    assert not write(database, b"a", b"2")
    assert other.read(1, b"a", 10) == b"2"
    assert database.delete(1, b"a", 10)
    assert other.read(1, b"a", 10) is None
    other.close()


def test_a_key_is_there_until_the_very_moment_it_expires(database: KvDatabase) -> None:
    """At ``expires_at`` it is gone: to reading, listing, deleting and to ``created``."""
    write(database, b"a", expires_at=20)
    assert database.read(1, b"a", 19) == b"v"
    assert database.list(1, b"", 10, 19) == [b"a"]
    assert database.read(1, b"a", 20) is None
    assert database.list(1, b"", 10, 20) == []
    assert write(database, b"a", expires_at=40, now=30)  # a new one
    assert not database.delete(1, b"a", 40)


def test_purging_deletes_what_has_expired_and_nothing_else(database: KvDatabase) -> None:
    """In steps, so that nobody waits for long; bytes are given back."""
    for number in range(PURGE_ROWS + 5):
        database.write(Entry(1, b"%d" % number, b"", 20), 10, 1 << 20)
    database.write(Entry(1, b"kept", b"v", NEVER), 10, 1 << 20)
    assert database.count_expired(20) == PURGE_ROWS + 5, "as many as go, in all"
    assert database.purge(20) == PURGE_ROWS
    assert database.purge(20) == 5
    assert database.purge(20) == 0
    assert database.purge(NEVER) == database.count_expired(NEVER) == 0
    assert database.used_bytes(1) == len(b"keptv")


def test_a_plugins_bytes_are_counted_exactly(database: KvDatabase) -> None:
    """Keys and values; a replaced value counts once, a deleted key not at all, and nothing beyond the bound gets in."""
    write(database, b"a" * 10, b"v" * 490)
    write(database, b"b" * 10, b"v" * 490)
    assert database.used_bytes(1) == BOUND
    with pytest.raises(PayloadTooLarge, match="max_plugin_bytes"):
        write(database, b"c", b"")
    with pytest.raises(PayloadTooLarge):
        write(database, b"a" * 10, b"v" * 491)
    assert database.read(1, b"a" * 10, 10) == b"v" * 490
    assert not write(database, b"a" * 10, b"v" * 489)
    assert write(database, b"c", b"")
    database.delete(1, b"b" * 10, 10)
    assert database.used_bytes(1) == 500
    assert database.used_bytes(2) == 0


def test_what_is_over_the_bound_may_still_shrink(database: KvDatabase) -> None:
    """A bound that was lowered does not keep a plugin from replacing a value by a smaller one."""
    write(database, b"a", b"v" * 900)
    assert not database.write(Entry(1, b"a", b"v" * 800, NEVER), 10, 100)
    with pytest.raises(PayloadTooLarge):
        database.write(Entry(1, b"b", b"", NEVER), 10, 100)


def test_what_has_expired_makes_room(database: KvDatabase) -> None:
    """Expired keys are not there, so they do not count, purged or not."""
    write(database, b"a", b"v" * 900, expires_at=20)
    with pytest.raises(PayloadTooLarge):
        write(database, b"b", b"v" * 900, now=19)
    assert write(database, b"b", b"v" * 900, now=20)
    write(database, b"c", b"v" * 50, expires_at=40, now=30)
    assert write(database, b"c", b"v" * 90, now=40)  # replaces itself, expired
    assert database.used_bytes(1) == 901 + 91


@pytest.mark.parametrize("prefix", [b"", b"%", b"a_", "é".encode(), b"a", b"\x7f", "\U0010ffff".encode()])
def test_a_prefix_is_a_prefix_and_no_pattern(database: KvDatabase, prefix: bytes) -> None:
    """Bytes as they are: no wildcard, no case, no collation; another plugin's keys never."""
    keys = [b"", b"a", b"a_b", b"aXb", b"%", b"%%", b"A", "é".encode(), "éa".encode(), b"\x7f", "\U0010ffffx".encode()]
    for key in keys:
        write(database, key)
        database.write(Entry(2, key + b"other", b"", NEVER), 10, BOUND)
    assert database.list(1, prefix, 100, 10) == sorted(key for key in keys if key.startswith(prefix))
    assert database.list(1, prefix, 0, 10) == []


def test_a_locked_database_is_unavailable_soon(database: KvDatabase, path: Path) -> None:
    """Who writes waits for a bounded time; who reads does not wait at all; then it goes on."""
    write(database, b"a")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable, match="locked; another process"):
        write(database, b"b")
    assert time.monotonic() - began < 4, "SQLite itself would wait for 5 s"
    assert database.read(1, b"a", 10) == b"v"
    other.execute("ROLLBACK")
    other.close()
    assert write(database, b"b")


def test_a_full_disk_refuses_writes_and_keeps_what_there_is(database: KvDatabase) -> None:
    """The write that does not fit leaves nothing behind, in the count neither."""
    write(database, b"a")
    connection = database._opened()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ServiceUnavailable, match="full; free space"):
        database.write(Entry(1, b"b", b"v" * 100_000, NEVER), 10, 1 << 30)
    assert database.read(1, b"a", 10) == b"v"
    assert database.used_bytes(1) == 2
    assert write(database, b"b")  # opened again, and the disk has room


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_database_is_unavailable_with_a_remedy(database: KvDatabase, path: Path, content: bytes) -> None:
    """Never an error of SQLite's."""
    path.parent.mkdir()
    path.write_bytes(content)
    for call in (lambda: write(database, b"a"), lambda: database.read(1, b"a", 1), lambda: database.list(1, b"", 1, 1)):
        with pytest.raises(ServiceUnavailable, match=r"plugins\.db: .*; "):
            call()


def test_a_database_damaged_while_it_is_used_is_unavailable(database: KvDatabase, path: Path) -> None:
    """Pages of rubbish in the midst of it: an error with a name, in reading as in writing."""
    for number in range(200):
        database.write(Entry(1, b"%d" % number, b"v" * 500, NEVER), 10, 1 << 30)
    database._opened().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 60_000)

    def read_all() -> None:
        for number in range(200):
            database.read(1, b"%d" % number, 10)

    def write_all() -> None:
        for number in range(200):
            write(database, b"%d" % number)

    for use in (read_all, write_all):
        with pytest.raises(ServiceUnavailable):
            use()


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    """An ``OSError`` is none of a plugin's business either."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ServiceUnavailable, match="let the gateway write to its folder"):
        KvDatabase(tmp_path / "file" / "plugins.db").open()


def test_closing_twice_is_no_fault(database: KvDatabase) -> None:
    """And it opens again when it is needed."""
    write(database, b"a")
    database.close()
    database.close()
    assert database.read(1, b"a", 10) == b"v"
