"""Tests of ``schemas.ids``."""

from __future__ import annotations

import time
import uuid
from itertools import pairwise

import pytest

from schemas.ids import exchange_id_of, is_request_id, new_boot_id, new_exchange_id


def test_exchange_ids_are_version_7_uuids() -> None:
    """RFC 9562: version 7, variant 10, and the Unix milliseconds of now in front."""
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(new_exchange_id())
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= after
    assert str(made) == str(made).lower()


def test_exchange_ids_are_unique() -> None:
    """Also the thousands of one millisecond."""
    assert len({new_exchange_id() for _ in range(20_000)}) == 20_000


def test_exchange_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As text, whatever their random bits are."""
    made = []
    for milliseconds in (0, 1, 1_700_000_000_000, 1_700_000_000_001, (1 << 48) - 1):
        monkeypatch.setattr("schemas.ids.time.time_ns", lambda at=milliseconds: at * 1_000_000)
        made += [[new_exchange_id() for _ in range(50)]]
    for earlier, later in pairwise(made):
        assert max(earlier) < min(later)


def test_boot_ids_are_unique() -> None:
    """Each life of a worker has its own."""
    assert len({new_boot_id() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("text", ["a", "A-1_2.3:4", "x" * 128])
def test_well_formed_request_ids_are_taken(text: str) -> None:
    """1 to 128 characters of ``[A-Za-z0-9._:-]``."""
    assert is_request_id(text)


@pytest.mark.parametrize("text", ["", "x" * 129, "a b", "a\n", "a/b", "ä", "a\r\nset-cookie: x", "\u0661", "{}"])
def test_other_request_ids_are_not(text: str) -> None:
    """Anything that could mean something in a header, a log line or a document id, digits of other scripts too."""
    assert not is_request_id(text)


@pytest.mark.parametrize("suffix", ["-p", "-a", "-b", "-b-2026-11"])
def test_the_exchange_of_an_event_is_found(suffix: str) -> None:
    """Corrections have their price version behind the suffix."""
    exchange = new_exchange_id()
    assert exchange_id_of(exchange + suffix) == exchange
