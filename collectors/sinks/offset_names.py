"""Names that are offsets: ``<topic>-<epoch>-<partition>-<first>-<last>``, or without the last.

They sort as they were written. Every part but the topic holds no dash: a journal is a partition too, and its name has
whatever a gateway is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote

from sluice.eventlog.interface import Partition

_DIGITS = 20
"""Of an offset: a journal's have 64 bits."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_.]")


class Published(NamedTuple):
    """What one name says."""

    epoch: int
    first: int
    last: int
    name: str


class Named(NamedTuple):
    """What a name says to whoever does not know whose it is."""

    topic: str
    epoch: int
    partition: Partition
    first: int
    last: int | None
    extension: str


_NAMED = re.compile(
    r"(?P<topic>[^/]+)-(?P<epoch>\d{1,9})-(?P<partition>\d{1,10}|[^-/]*%[^-/]*)"  # a journal's has a slash, so a %
    rf"-(?P<first>\d{{{_DIGITS}}})(?:-(?P<last>\d{{{_DIGITS}}}))?(?P<extension>\.[a-z0-9.]+)"
)


def named(name: str) -> Named | None:
    """What any name of these says; ``None`` where it is none."""
    match = _NAMED.fullmatch(name)
    if match is None:
        return None
    topic, label, last = match["topic"], match["partition"], match["last"]
    partition = Partition(topic, int(label)) if label.isdecimal() else Partition(unquote(label), 0)
    end = None if last is None else int(last)
    return Named(topic, int(match["epoch"]), partition, int(match["first"]), end, match["extension"])


class OffsetNames:
    """The names of one partition of one topic."""

    def __init__(self, topic: str, partition: Partition) -> None:
        self.topic = topic
        self.partition = _label(topic, partition)
        prefix = rf"{re.escape(topic)}-(?P<epoch>\d+)-{re.escape(self.partition)}-"
        first, last = rf"(?P<first>\d{{{_DIGITS}}})", rf"-(?P<last>\d{{{_DIGITS}}})"
        self._published = re.compile(rf"{prefix}{first}{last}\.[a-z0-9.]+")
        self._begun = re.compile(rf"{prefix}{first}(?:{last})?\.[a-z0-9.]+")
        self._staged = re.compile(rf"\.{prefix}(?P<generation>\d+)\.part")

    def stem(self, epoch: int) -> str:
        """What all names of an epoch begin with."""
        return f"{self.topic}-{epoch}-{self.partition}"

    def name(self, epoch: int, first: int, last: int) -> str:
        """The name of a range, without what follows the dot."""
        return f"{self.stem(epoch)}-{first:0{_DIGITS}}-{last:0{_DIGITS}}"

    def name_of_first(self, epoch: int, first: int) -> str:
        """As ``name``, of a range that nobody else may begin at the same place, wherever it ends."""
        return f"{self.stem(epoch)}-{first:0{_DIGITS}}"

    def staged_name(self, epoch: int, generation: int) -> str:
        """The hidden name of a file that is not finished."""
        return f".{self.stem(epoch)}-{generation}.part"

    def published(self, names: Iterable[str]) -> list[Published]:
        """Those of these names that are this partition's, in the order of their offsets."""
        matches = [match for name in names if (match := self._published.fullmatch(name)) is not None]
        return sorted(Published(int(m["epoch"]), int(m["first"]), int(m["last"]), m[0]) for m in matches)

    def begun(self, names: Iterable[str]) -> list[Published]:
        """As ``published``, also those that do not say where they end: their ``last`` is their ``first``."""
        matches = [match for name in names if (match := self._begun.fullmatch(name)) is not None]
        return sorted(Published(int(m["epoch"]), int(m["first"]), int(m["last"] or m["first"]), m[0]) for m in matches)

    def staged(self, names: Iterable[str]) -> list[tuple[int, int]]:
        """Epochs and generations of this partition's files that are not finished, oldest first."""
        matches = [match for name in names if (match := self._staged.fullmatch(name)) is not None]
        return sorted((int(match["epoch"]), int(match["generation"])) for match in matches)


def _label(topic: str, partition: Partition) -> str:
    """A number for a topic's own partition; a journal's name and number where the partition is named otherwise."""
    if partition.topic == topic:
        return str(partition.partition)
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), partition.topic)
