"""What became of each letter, and the marks that say so in the log."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from collectors.dead_letters import RedrivenRecord
from collectors.deliveries import Delivery, Poison
from collectors.operations.marks import Settled, mark_of, place_in
from collectors.outcomes import Final
from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import EventLogError, Partition, Publisher, Record

FLUSH_SECONDS = 0.25
"""What a kill leaves without a mark is at most what was settled within this time: it is given back once more."""
_MAX_RUN = 5_000

_SETTLED: dict[Final, Settled] = {
    "delivered": "delivered",
    "fallback": "fallback",
    "passed": "passed",
    "dead_lettered": "superseded",
}


def whoever() -> str:
    """Who runs this command, and where."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's made-up user
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


@dataclass(slots=True)
class Ledger:
    """Of one job. Marks are published some at a time, and again until the log has them."""

    publisher: Publisher
    topic: str
    job: str
    failures: Path
    """Where letters that were refused again are listed, a JSON document a line."""
    clock: Callable[[], int] = now_micros
    by: str = field(default_factory=whoever)
    logs: Mapping[Partition, str] = field(default_factory=dict)
    """The ids of the logs that the letters lie in."""
    outcomes: Counter[Settled] = field(default_factory=Counter)
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By reason and collector, those of the second kind."""
    trouble: str = ""
    """Why marks are not published now."""
    unlisted: str = ""
    """Why not all of what was refused again is in the file."""
    _done: dict[Partition, set[int]] = field(default_factory=dict)
    _waiting: list[Record] = field(default_factory=list)
    _flushing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def settled(self) -> int:
        """How many letters."""
        return self.outcomes.total()

    def is_done(self, partition: Partition, offset: int) -> bool:
        """Whether this job settled the letter there."""
        return offset in self._done.get(partition, ())

    def finish(self, final: Final, delivery: Delivery) -> None:
        """The service ended with these so."""
        if (outcome := _SETTLED.get(final)) is not None:
            self.settle(outcome, delivery)

    def settle(self, outcome: Settled, delivery: Delivery) -> None:
        """So it went with these letters."""
        for record in delivery.records:
            if isinstance(record, RedrivenRecord):
                self._settle_one(outcome, record.letter)

    def _settle_one(self, outcome: Settled, letter: str) -> None:
        place = place_in(letter)
        if place is not None and not self.is_done(*place):
            self._done.setdefault(place[0], set()).add(place[1])
            self.outcomes[outcome] += 1
            self.mark(outcome, (letter,))

    def mark(self, outcome: Settled, letters: Iterable[str]) -> None:
        """These are to bear that mark."""
        at = iso_micros(self.clock())
        self._waiting += [
            mark_of(self.topic, letter, outcome, self.job, at, self.by, self._log_of(letter)) for letter in letters
        ]

    def _log_of(self, letter: str) -> str:
        place = place_in(letter)
        return "" if place is None else self.logs.get(place[0], "")

    def forget(self, letters: Iterable[str]) -> None:
        """The marks of these are not needed any more: compaction takes them away."""
        self._waiting += [Record(self.topic, letter.encode(), None) for letter in letters]

    def refuse(self, poison: Poison) -> None:
        """These were refused again, and are dead letters again. That they cannot be listed must not stop what goes on:
        the log has them."""
        lines = []
        for record, error in zip(poison.delivery.records, poison.errors, strict=True):
            facts = record.facts if isinstance(record, RedrivenRecord) else {}
            collector = poison.collector or facts.get("collector", b"").decode("utf-8", "replace")
            self.refusals[error.reason, collector] += 1
            letter = record.letter if isinstance(record, RedrivenRecord) else ""
            lines.append(
                orjson.dumps({"letter": letter, "reason": error.reason, "detail": error.detail, "collector": collector})
            )
        try:
            with self.failures.open("ab") as file:
                file.write(b"".join(line + b"\n" for line in lines))
        except OSError as error:
            self.unlisted = f"{self.failures} cannot be written ({error.strerror}): it does not name all"

    async def flush(self) -> bool:
        """Publish what waits; whether the log has it all."""
        async with self._flushing:
            while self._waiting:
                run = self._waiting[:_MAX_RUN]
                try:
                    await self.publisher.publish(run)
                except EventLogError as error:
                    self.trouble = str(error)
                    return False
                del self._waiting[: len(run)]
            self.trouble = ""
        return True

    async def keep_flushing(self) -> None:
        """Again and again, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()
