"""What may be added and what may not: every absurdity is named, and none reaches a sum."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.columns import Decoder
from collectors.services.budget_truth.tally import MAX_NANOS, Tally, tally
from schemas.codec import SchemaBook
from sluice.eventlog.interface import StoredRecord
from tests.collectors.events import TOPICS, make_record, record_of
from tests.collectors.services.budget_truth.making import charge, event, report


def tallied(*records: StoredRecord) -> Tally:
    """Of these."""
    budget = TOPICS.event("budget").name
    events = [each for each in records if each.topic == budget]
    return tally(Decoder(SchemaBook()), events, [each for each in records if each.topic != budget])


def sums(found: Tally) -> list[tuple[str, int, int, int, int]]:
    """Of all rows: scope id, and the four sums."""
    rows = [each.row for each in found.claimables]
    return sorted((key.scope_id, *total) for key, total in found.sums_of(rows).items())


@pytest.mark.parametrize(
    ("problem", "changes"),
    [
        ("absurd", {"kind": "refund"}),
        ("absurd", {"kind": ""}),
        ("absurd", {"cost_nanos": -1}),
        ("absurd", {"cost_nanos": MAX_NANOS + 1}),
        ("absurd", {"cost_nanos": -(2**63), "kind": "correction"}),
        ("absurd", {"tokens_used": -1}),
        ("absurd", {"prompt_tokens": -1}),
        ("absurd", {"completion_tokens": 2**63 - 1}),
        ("absurd", {"requests_count": -1}),
        ("absurd", {"requests_count": 2**40}),
        ("absurd", {"currency": ""}),
        ("absurd", {"currency": "U\x00D"}),
        ("absurd", {"currency": "U" * 17}),
        ("bad_charge", {"charges": [charge(scope="")]}),
        ("bad_charge", {"charges": [charge(scope_id="7\x1f8")]}),
        ("bad_charge", {"charges": [charge(scope_id="x" * 201)]}),
        ("bad_charge", {"charges": [charge(period_id="\n")]}),
        ("bad_charge", {"charges": [charge(start=5, end=5)]}),
        ("bad_charge", {"charges": [charge(), charge()]}),
        ("bad_charge", {"charges": [charge(), charge(start=1, end=2)]}),
        ("uncharged", {"charges": []}),
    ],
)
def test_what_cannot_be_takes_its_number_and_is_added_nowhere(problem: str, changes: dict[str, Any]) -> None:
    """It is counted, named with its place, and no gap; the sound ones beside it are summed as if it were not there."""
    found = tallied(event(1, 5), event(2, **changes), event(3, 7))
    count, example = found.problems[problem]
    assert (count, len(found.problems)) == (1, 1)
    assert "sequence 2 of gw-1/0/" in example
    assert [each.sequence for each in found.claimables] == [1, 2, 3]
    assert sums(found) == [("7", 12, 0, 92, 2)]


@pytest.mark.parametrize(
    ("problem", "sequence", "changes"),
    [
        ("bad_sequence", 0, {}),
        ("bad_sequence", -(2**63), {}),
        ("bad_sequence", 2**63 - 1, {}),
        ("bad_name", 2, {"gateway_id": ""}),
        ("bad_name", 2, {"boot_id": "x\x00"}),
        ("bad_name", 2, {"worker": "w" * 256}),
    ],
)
def test_what_cannot_be_told_apart_is_not_counted(problem: str, sequence: int, changes: dict[str, Any]) -> None:
    """Without a number or a name nobody could know it when it comes again."""
    found = tallied(event(1, 5), event(sequence, **changes))
    assert found.problems[problem][0] == 1
    assert len(found.claimables) == 1
    assert sums(found) == [("7", 5, 0, 46, 1)]


def test_what_is_no_budget_event_is_named_with_its_place() -> None:
    """Garbage, a tombstone, another kind, another id in the header, bytes behind: none stops those beside it."""
    good = event(4, 9)
    foreign = make_record("analytics", offset=77)
    foreign.topic = good.topic
    lying = event(5)
    lying.headers = event(6).headers
    garbage = [
        record_of(value, None, "budget", offset=at) for at, value in enumerate((b"", None, b"\xc3\x01", b"x" * 99))
    ]
    trailing = record_of((event(7).value or b"") + b"\0", None, "budget", offset=9)
    found = tallied(*garbage, good, foreign, lying, trailing)
    count, example = found.problems["undecodable"]
    assert count == 7
    assert example.startswith("sluice.budget.v1/0/0: ")
    assert [each.sequence for each in found.claimables] == [4]


def test_the_schema_of_nobody_waits() -> None:
    """What may be decoded later is not called undecodable."""
    found = tallied(record_of(b"\xc3\x01" + b"\x07" * 8 + b"body", None, "budget", offset=3))
    assert found.unknown == {b"\x07" * 8: (1, f"sluice.budget.v1/0/3: schema {'07' * 8}")}
    assert not found.problems


def test_corrections_and_usage_are_summed_apart_too() -> None:
    """A correction may take away; money and tokens are exact, beyond 64 bits as well."""
    found = tallied(
        event(1, 100),
        event(2, -30, kind="correction", corrects="x-b", requests_count=0, tokens_used=-6),
        *(event(3 + at, MAX_NANOS) for at in range(1_100)),
    )
    assert not found.problems
    assert sums(found) == [("7", 70 + 1_100 * MAX_NANOS, -30, 46 - 6 + 1_100 * 46, 1_101)]
    assert sums(found)[0][1] > 2**63


def test_a_charge_of_another_period_currency_or_scope_is_another_total() -> None:
    """By scope, id, period and currency; an event is added once to each of its charges."""
    charges = [charge(), charge("llm", "3"), charge("app_llm", "7:3"), charge(period_id="2025-12-01", start=7, end=9)]
    found = tallied(event(1, 5, charges=charges), event(2, 7, currency="EUR"))
    keys = {(key.scope, key.scope_id, key.period_id, key.currency) for key in found.sums_of([0, 1])}
    assert keys == {
        ("app", "7", "2025-11-01", "USD"), ("llm", "3", "2025-11-01", "USD"), ("app_llm", "7:3", "2025-11-01", "USD"),
        ("app", "7", "2025-12-01", "USD"), ("app", "7", "2025-11-01", "EUR"),
    }  # fmt: skip
    assert found.sums_of([]) == {}
    assert {total.spent_nanos for total in found.sums_of([1]).values()} == {7}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"gateway_id": 1}',
        b'{"gateway_id":"g","worker":"0","boot_id":"b","last_sequences":[]}',
    ],
)
def test_a_report_that_is_none_is_named(value: bytes) -> None:
    """And read no further."""
    found = tallied(StoredRecord(TOPICS.gateway_report.name, 0, 8, 0, None, value))
    assert found.problems["bad_report"][0] == 1
    assert not found.reports


def test_reports_tell_the_last_number() -> None:
    """Without budget events it is 0; numbers and names that cannot be are refused."""
    found = tallied(report(5), report(6, closing=True), report(-1), report(2**60), report(1, boot_id="a\x1fb"))
    assert [(each.last, each.closing) for each in found.reports] == [(5, False), (6, True)]
    assert found.problems["bad_report"][0] == 3
