"""Tests of ``collectors.jobs.reprice.ledger``: what is on disk before anything is published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.jobs.reprice.ledger import Charged, CorrectionLedger, Issued, Wanted
from sluice.eventlog.interface import EventLogError

SUFFIX = "-b-2"


def wanted(exchange_id: str, nanos: int) -> Wanted:
    """What an exchange should cost."""
    return Wanted(exchange_id, nanos, "USD", 7, 3, 100, "{}")


def charged(event_id: str, nanos: int, *, is_usage: bool = True, boot_id: str = "gw") -> Charged:
    """A budget event of the exchange that its id begins with."""
    return Charged(event_id, event_id[:1], nanos, "USD", is_usage, boot_id, "[1]")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[CorrectionLedger]:
    """On disk."""
    made = CorrectionLedger(tmp_path / "corrections.db")
    yield made
    made.close()


def test_an_account_is_what_the_log_charged(ledger: CorrectionLedger) -> None:
    """Each event once, however often the log has it; corrections of all versions among it; others' not at all."""
    ledger.want([wanted("a", 10), wanted("b", 20), wanted("c", 30), wanted("a", 99)])
    events = [charged("a-b", 4), charged("a-b-1", -1, is_usage=False), charged("b-b", 5), charged("x-b", 1),
              charged("b-b-2", 15, is_usage=False)]  # fmt: skip
    ledger.charge([*events, *events])
    found = {each.wanted.exchange_id: each for each in ledger.accounts(SUFFIX)}
    assert [(found[name].wanted.nanos, found[name].charged, found[name].is_corrected) for name in "abc"] == [
        (10, 3, False), (20, 20, True), (30, None, False),
    ]  # fmt: skip
    assert (found["a"].charges, found["c"].charges, found["a"].currencies) == ("[1]", None, ("USD",))


def test_more_accounts_than_a_page(ledger: CorrectionLedger) -> None:
    """All of them, each once, in order."""
    names = [f"{number:06d}" for number in range(12_000)]
    ledger.want(wanted(name, 1) for name in names)
    assert [each.wanted.exchange_id for each in ledger.accounts(SUFFIX)] == names


def test_numbers_survive(tmp_path: Path) -> None:
    """Another process finds what was issued and not published, with its bytes, and the facts that were noted first."""
    first = CorrectionLedger(tmp_path / "corrections.db")
    assert first.fact("boot_id", "one") == "one"
    first.issue([Issued(1, "a-b-2", "a", 5, b"one"), Issued(2, "b-b-2", "b", 6, b"two")])
    first.want([wanted("a", 1), wanted("b", 1)])
    first.charge([charged("a-b-2", 5, is_usage=False, boot_id="one")])
    second = CorrectionLedger(tmp_path / "corrections.db")
    assert second.fact("boot_id", "two") == "one"
    assert [each for page in second.unpublished() for each in page] == [Issued(2, "b-b-2", "b", 6, b"two")]
    assert (second.last_sequence, second.issued_nanos("b-b-2"), second.issued_nanos("c-b-2")) == (2, 6, None)
    assert (second.issued_count(), second.overtaken("one"), second.overtaken("two")) == ((2, 1), None, "a-b-2")
    second.forget_what_was_read()
    assert (second.issued_count(), list(second.accounts(SUFFIX))) == ((2, 0), [])
    first.close()
    second.close()


def test_periods_are_those_of_a_moment(ledger: CorrectionLedger) -> None:
    """Of that scope alone, from their first instant on and before their end."""
    ledger.note_periods(
        [
            {"scope": "app", "scope_id": "7", "period_id": name, "period_start": start, "period_end": start + 10}
            for name, start in (("one", 0), ("two", 10))
        ]
    )
    found = [ledger.period("app", "7", at) for at in (0, 9, 10, 19)]
    assert [each["period_id"] for each in found if each] == ["one", "one", "two", "two"]
    assert ledger.period("app", "7", 20) is ledger.period("app", "8", 5) is ledger.period("llm", "7", 5) is None


def test_a_batch_that_fails_leaves_nothing(ledger: CorrectionLedger) -> None:
    """All of it or none."""
    with pytest.raises(Exception, match="UNIQUE"):
        ledger.issue([Issued(1, "a", "a", 1, b""), Issued(2, "a", "a", 1, b"")])
    assert ledger.last_sequence == 0


def test_a_disk_that_is_full_is_said(tmp_path: Path) -> None:
    """With what to do; what was issued before is as it was, and nothing of the rest."""
    ledger = CorrectionLedger(tmp_path / "corrections.db")
    ledger.issue([Issued(1, "a-b-2", "a", 5, b"x")])
    ledger._database.execute("PRAGMA max_page_count = 12")
    with pytest.raises(EventLogError, match=r"corrections\.db cannot be written: .*full; make room"):
        ledger.issue(Issued(at, f"{at}-b-2", str(at), 5, b"x" * 4_000) for at in range(2, 50))
    assert ledger.last_sequence == 1
    ledger.close()


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    """Whatever stands in its place."""
    (tmp_path / "corrections.db").write_bytes(b"garbage" * 1_000)
    with pytest.raises(EventLogError, match="begin the job anew"):
        CorrectionLedger(tmp_path / "corrections.db")
