"""A dead letter keeps the record as it was and says why; too many of them are a reason to stop, not to go on."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from collectors.dead_letters import MAX_LETTER_BYTES, DeadLetterLimits, DeadLetters, RedrivenRecord
from collectors.deliveries import Poison
from collectors.entries import DeadLetterSettings
from collectors.errors import Halt, Unprocessable
from collectors.tracker import Lane
from sluice.eventlog.interface import Partition, Record, StoredRecord
from tests.collectors.events import NOW_MICROS, make_record, partition_of
from tests.collectors.fakes import FakeLog, FakeSink
from tests.collectors.virtual_time import virtual_time

LANE = Lane(partition_of())


def poison_of(record: StoredRecord, error: Unprocessable, producer: str | None = "gw-1", count: int = 1) -> Poison:
    """The same record as poison, some times."""
    poison = Poison()
    for _ in range(count):
        poison.add(record, LANE, error, producer)
    return poison


def letters_of(poison: Poison) -> list[Record]:
    """What would be published."""
    log = FakeLog(FakeSink())
    made = DeadLetters(log, service="es", group="sluice.es", version="1.2.3", clock=lambda: NOW_MICROS)
    return made.letters(poison)


def test_letter_keeps_the_record_and_says_why() -> None:
    """Key, value and headers are the original's; every ``dlq.`` header of the catalogue is there."""
    record = make_record(offset=42, partition=3)
    poison = poison_of(record, Unprocessable("document_parsing_exception", "failed to parse", status=400))
    poison.attempts = 2
    [letter] = letters_of(poison)
    assert (letter.topic, letter.key, letter.value) == ("sluice.analytics.v1.dlq", record.key, record.value)
    assert letter.headers[: len(record.headers)] == tuple(record.headers)
    assert dict(letter.headers[len(record.headers) :]) == {
        "dlq.error.type": b"document_parsing_exception",
        "dlq.error.reason": b"failed to parse",
        "dlq.status": b"400",
        "dlq.collector": b"es",
        "dlq.group": b"sluice.es",
        "dlq.topic": b"sluice.analytics.v1",
        "dlq.partition": b"3",
        "dlq.offset": b"42",
        "dlq.timestamp": str(record.timestamp).encode(),
        "dlq.attempts": b"2",
        "dlq.first_failed_at": b"2025-11-24T16:00:00.000000Z",
        "dlq.schema": (record.value or b"")[2:10].hex().encode(),
        "dlq.version": b"1.2.3",
    }


def test_a_letter_from_a_journal_names_it() -> None:
    """Its record knows neither the journal nor a partition, and offsets are counted in each journal apart."""
    poison = Poison()
    poison.add(make_record(offset=42), Lane(Partition("gw-1/0", 0)), Unprocessable("bad"))
    headers = dict(letters_of(poison)[0].headers)
    assert (headers["dlq.journal"], headers["dlq.offset"]) == (b"gw-1/0", b"42")


def test_reasons_are_capped_and_hold_no_values() -> None:
    """What a sink quotes of a document goes into no header, and no reason is long."""
    error = Unprocessable("bad", "cannot parse 'sk-secret' " + "x" * 5_000 + " Preview of field's value: 'sk-secret'")
    [letter] = letters_of(poison_of(make_record(), error))
    reason = dict(letter.headers)["dlq.error.reason"]
    assert b"sk-secret" not in reason
    assert len(reason.decode()) <= 256


def test_redriven_record_that_fails_again() -> None:
    """Old ``dlq.`` headers are replaced, the count of redrives is kept."""
    record = make_record()
    record.headers = [*record.headers, ("dlq.offset", b"7"), ("dlq.redrives", b"2")]
    [letter] = letters_of(poison_of(record, Unprocessable("bad")))
    names = [name for name, _ in letter.headers]
    assert names.count("dlq.offset") == 1
    assert dict(letter.headers)["dlq.redrives"] == b"2"


def test_tombstones_and_junk_are_kept() -> None:
    """A null value stays null; junk has no schema."""
    record = make_record()
    record.value = None
    [letter] = letters_of(poison_of(record, Unprocessable("null_value")))
    assert letter.value is None
    assert dict(letter.headers)["dlq.schema"] == b""


@pytest.mark.parametrize("size", [1_000_000, 1_048_000, 1_200_000, 5_000_000])
def test_letters_fit_their_topic(size: int) -> None:
    """The largest record of a topic fits whole; what could fit nowhere is cut and says so."""
    record = make_record()
    record.value = b"x" * size
    [letter] = letters_of(poison_of(record, Unprocessable("bad", "r" * 300)))
    total = len(letter.key) + len(letter.value or b"") + sum(len(name) + len(value) for name, value in letter.headers)
    assert total < MAX_LETTER_BYTES
    assert (len(letter.value or b"") < size) == ("dlq.truncated" in dict(letter.headers))
    assert (len(letter.value or b"") == size) == (size <= 1_048_000)


@virtual_time
async def test_many_letters_are_published_in_bounded_runs() -> None:
    """No publish holds more than a few megabytes."""
    log = FakeLog(FakeSink())
    runs: list[int] = []

    class Counting:
        async def publish(self, records: list[Record]) -> None:
            runs.append(sum(len(record.value or b"") for record in records))
            await log.publish(records)

        async def close(self) -> None:
            """Nothing to close."""

    record = make_record()
    record.value = b"x" * 900_000
    letters = DeadLetters(Counting(), service="s", group="g", version="1")  # type: ignore[arg-type]
    await letters.publish(poison_of(record, Unprocessable("bad"), count=20))
    assert len(log.published) == 20
    assert max(runs) <= 4 << 20
    await asyncio.sleep(0)


class Limits:
    """Limits with a clock turned by hand and alerts that are kept."""

    def __init__(self, **settings: float) -> None:
        self.now = 1_000.0
        self.alerts: list[dict[str, str]] = []
        self.limits = DeadLetterLimits(
            DeadLetterSettings.model_validate(settings),
            lambda: self.now,
            lambda _kind, _message, facts: self.alerts.append(facts),
        )

    def bury(self, count: int, producer: str | None = "gw-1", reason: str = "bad") -> None:
        self.limits.admit(poison_of(make_record(), Unprocessable(reason), producer, count))


def test_consecutive_limit() -> None:
    """So many in a row and no more; one delivered record of that producer begins anew."""
    limits = Limits(max_consecutive=10, max_ratio=1.0)
    limits.bury(10)
    with pytest.raises(Halt, match="max_consecutive"):
        limits.bury(1)
    limits.limits.delivered({"gw-1": 1})
    limits.bury(10)


def test_ratio_limit_needs_enough_records() -> None:
    """A tenth of the records, once there were enough to tell."""
    limits = Limits(max_ratio=0.1, min_records=100, max_consecutive=1_000)
    limits.bury(50)
    limits.limits.delivered({"gw-1": 49})
    with pytest.raises(Halt, match="max_ratio"):
        limits.bury(1)
    limits.limits.delivered({"gw-1": 451})
    limits.bury(1)


def test_a_good_past_does_not_hide_a_bad_present() -> None:
    """Millions of good records long ago do not allow a hundred thousand dead letters now."""
    limits = Limits(max_ratio=0.1, min_records=100, max_consecutive=1_000_000)
    for _ in range(1_000):
        limits.limits.delivered({"gw-1": 1_000})
    for _ in range(5):
        limits.bury(10)
    with pytest.raises(Halt):
        _bury_for_long(limits)


def _bury_for_long(limits: Limits) -> None:
    for _ in range(15):
        limits.bury(10)


def test_one_producer_alone_is_an_alert() -> None:
    """While records of others get through, a producer beyond its limit raises an alert, once an hour, and no halt."""
    limits = Limits(max_consecutive=10)
    limits.limits.delivered({"gw-2": 5})
    for _ in range(5):
        limits.bury(10, "gw-1")
    assert limits.alerts == [{"producer": "gw-1", "reason": "bad"}]
    limits.now += 61
    with pytest.raises(Halt):
        limits.bury(1, "gw-1")


def test_reasons_count_apart() -> None:
    """Ten of one reason and ten of another are not twenty of one."""
    limits = Limits(max_consecutive=10)
    limits.bury(10, reason="a")
    limits.bury(10, reason="b")
    with pytest.raises(Halt, match=r"^b: more than"):
        limits.bury(1, reason="b")


def test_undecodable_records_count_by_their_source() -> None:
    """Who made a record that cannot be read is said by its ``ce_source`` header."""
    limits = Limits(max_consecutive=10)
    with pytest.raises(Halt, match="producer 'gw-1'"):
        limits.bury(11, None)


def test_producers_are_bounded() -> None:
    """Invented names cannot grow the tallies without end."""
    limits = Limits()
    limits.limits.delivered({f"gw-{number}": 1 for number in range(5_000)})
    assert len(limits.limits._tallies) <= 1_001


def test_alerts_of_producers_beyond_the_bound_are_bounded_too() -> None:
    """A flood of made-up names raises one alert, not one each, and is not well because of itself."""
    limits = Limits(max_consecutive=1)
    limits.limits.delivered({f"gw-{number}": 1 for number in range(1_000)})
    for number in range(50):
        limits.limits.admit(poison_of(make_record(), Unprocessable("bad"), f"made-up-{number}"))
    assert len(limits.alerts) == 1
    assert len(limits.limits._alerted_at) == 1


def redriven(refused_by: str, **facts: bytes) -> Record:
    """The new letter of a record that was one before, given back once already, and refused again."""
    record = make_record()
    original = RedrivenRecord(
        record.topic, 5, 17, 99, record.key, record.value, record.headers, "sluice.analytics.v1.dlq/5/17", 1, facts
    )
    poison = poison_of(original, Unprocessable("again", "still so", status=400))
    poison.collector = refused_by
    [letter] = letters_of(poison)
    return letter


def test_a_letter_that_is_refused_again() -> None:
    """Why is new; where its record lay and since when it fails is not; it counts, and names the letter that it was."""
    facts = {"topic": b"sluice.analytics.v1", "partition": b"2", "offset": b"7", "timestamp": b"3", "collector": b"old"}
    letter = redriven("search", **facts, first_failed_at=b"2025-01-01", journal=b"gw/0")
    headers = dict(letter.headers)
    assert len(headers) == len(letter.headers)
    said = ("error.type", "collector", "partition", "offset", "timestamp", "first_failed_at", "journal", "redrives")
    assert [headers[f"dlq.{name}"] for name in said] == [
        b"again", b"search", b"2", b"7", b"3", b"2025-01-01", b"gw/0", b"2"
    ]  # fmt: skip
    assert headers["dlq.redriven_from"] == b"sluice.analytics.v1.dlq/5/17"


def test_one_that_still_cannot_be_decoded_is_still_whose_it_was() -> None:
    """No collector refused it; one that names nobody is its service's."""
    assert dict(redriven("", collector=b"old").headers)["dlq.collector"] == b"old"
    assert dict(redriven("").headers)["dlq.collector"] == b"es"


def test_headers_without_a_value_are_kept() -> None:
    """Kafka has such; nobody made the record then."""
    record = make_record()
    record.headers = [("ce_source", cast("bytes", None)), ("x", cast("bytes", None))]
    [letter] = letters_of(poison_of(record, Unprocessable("bad"), None))
    assert [value for _, value in letter.headers[:2]] == [None, None]
    limits = Limits(max_consecutive=1)
    with pytest.raises(Halt, match="producer 'unknown'"):
        limits.limits.admit(poison_of(record, Unprocessable("bad"), None, 2))
