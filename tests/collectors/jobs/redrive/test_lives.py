"""A life that works off dead letters differs from a live one in what it notes, and in what halts it."""

from __future__ import annotations

from collections.abc import Sequence

from collectors.deliveries import Poison
from collectors.entries import DatabaseEntry
from collectors.errors import Unprocessable
from collectors.jobs.redrive.lives import NotedLimits, SharedPublisher
from collectors.tracker import Lane
from sluice.eventlog.interface import Partition, Record
from tests.collectors.events import make_record
from tests.collectors.jobs.redrive.test_ledger import Publisher


def poison(count: int) -> Poison:
    """So many of one reason."""
    found = Poison()
    for _ in range(count):
        found.add(make_record(), Lane(Partition("x", 0)), Unprocessable("bad"), "gw-1")
    return found


def test_limits_are_said_and_hold_nothing_up() -> None:
    """The first that a live collector would have come to, once, whether it halts or only alerts."""
    entry = DatabaseEntry.model_validate(
        {"name": "store", "path": "sink://database", "dead_letter": {"max_consecutive": 2}}
    )
    said: dict[str, str] = {}
    limits = NotedLimits(entry, lambda: 0.0, said)
    limits.admit(poison(2))
    assert not said
    for _ in range(3):
        limits.admit(poison(2))
    assert list(said) == ["store"]
    assert said["store"].startswith("bad: more than dead_letter.max_consecutive (2) in a row")
    quiet: dict[str, str] = {}
    others = NotedLimits(entry, lambda: 0.0, quiet)
    others.delivered({"gw-2": 5})
    others.admit(poison(9))
    assert list(quiet) == ["store"]


async def test_a_shared_publisher_outlives_its_services() -> None:
    """It publishes letters and marks, and no alert: whoever runs the job sees what it says."""

    class Closing(Publisher):
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    within = Closing()
    shared = SharedPublisher(within, "sluice.alert.v1")
    records: Sequence[Record] = [Record("sluice.alert.v1", b"", b""), Record("sluice.analytics.v1.dlq", b"", b"")]
    await shared.publish(records)
    await shared.publish(records[:1])
    await shared.close()
    assert (within.records, within.closed) == ([records[1]], 0)
