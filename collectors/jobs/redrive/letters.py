"""One dead letter: the record that it was, and what its headers say, whatever is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collectors.dead_letters import RedrivenRecord
from collectors.letter_headers import PREFIX
from collectors.operations.marks import letter_id
from schemas.topics import DLQ_SUFFIX
from sluice.eventlog.interface import Partition, PolledRecord

UNDECODABLE = frozenset({"null_value", "bad_frame", "bad_body", "bad_event_id", "id_mismatch", "unknown_schema"})
"""The reasons why nothing could be made of a record for any collector."""

_KEPT = ("collector", "topic", "partition", "offset", "timestamp", "journal", "first_failed_at")
"""What is still true of a letter that is refused again."""
_MAX_DIGITS = 9
_MAX_FACT_BYTES = 1_000
"""Of each: garbage of any size must not crowd out the record."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter where it lies. Nothing of its headers is trusted: what is missing or garbage is empty, or 0."""

    partition: Partition
    record: PolledRecord
    facts: Mapping[str, bytes]
    """``dlq.*`` without the prefix."""

    @classmethod
    def of(cls, partition: Partition, record: PolledRecord) -> Letter:
        """What a record of a dead-letter topic is."""
        facts = {name.removeprefix(PREFIX): value or b"" for name, value in record.headers if name.startswith(PREFIX)}
        return cls(partition, record, facts)

    def text(self, name: str) -> str:
        """A fact as text."""
        return self.facts.get(name, b"").decode("utf-8", "replace")

    @property
    def id(self) -> str:
        """Where it lies."""
        return letter_id(self.partition, self.record.offset)

    @property
    def topic(self) -> str:
        """Where its record lay: what the topic that it lies in says."""
        return self.record.topic.removesuffix(DLQ_SUFFIX)

    @property
    def reason(self) -> str:
        """Why it was refused: a stable code."""
        return self.text("error.type")

    @property
    def collector(self) -> str:
        """Who refused it: an entry, or of what could not be decoded a service."""
        return self.text("collector")

    @property
    def redrives(self) -> int:
        """How often it was given back."""
        count = self.text("redrives")
        return int(count) if count.isascii() and count.isdecimal() and len(count) <= _MAX_DIGITS else 0

    @property
    def is_truncated(self) -> bool:
        """Whether it holds only a part of its record."""
        return "truncated" in self.facts

    @property
    def is_undecodable(self) -> bool:
        """Whether nothing could be made of it for any collector."""
        return self.reason in UNDECODABLE

    def original(self) -> RedrivenRecord:
        """The record that it was: key, value and headers as they came. It lies where the letter does: of two letters of
        one record each has an outcome of its own."""
        record = self.record
        return RedrivenRecord(
            self.topic,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple((name, value or b"") for name, value in record.headers if not name.startswith(PREFIX)),
            letter=self.id,
            redrives=self.redrives,
            facts={name: self.facts[name][:_MAX_FACT_BYTES] for name in _KEPT if self.facts.get(name)},
        )
