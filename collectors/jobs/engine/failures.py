"""What a job could not write: a line each in ``failures.jsonl``, instead of a dead letter of a dead letter's kind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from collectors.deliveries import Poison
from collectors.errors import Unprocessable, without_values
from collectors.jobs.engine.tally import Tally
from collectors.jobs.folder import unwritable
from collectors.tracker import Lane
from schemas.cloudevents import EVENT_ID
from sluice.clock import iso_micros
from sluice.eventlog.interface import Partition, PolledRecord


class Failures:
    """The ``Letters`` of a job. Without a file (a dry run) failures are only counted."""

    def __init__(self, path: Path | None, tally: Tally) -> None:
        self._path = path
        self._tally = tally

    async def publish(self, poison: Poison) -> None:
        """Return when the file has all of it; raises EventLogError."""
        if self._path is not None:
            lines = b"".join(_lines(poison))
            try:
                await asyncio.to_thread(_append, self._path, lines)
            except OSError as error:
                raise unwritable(self._path, error) from error
        if not poison.collector:
            self._tally.undecodable(poison.delivery)


def trim(path: Path, next_offsets: Mapping[Partition, int]) -> None:
    """Forget what a resumed job will come upon again: all that is not below its partition's next offset. Raises
    EventLogError."""
    if not path.exists():
        return
    temporary = path.with_name(path.name + ".tmp")
    try:
        with path.open("rb") as old, temporary.open("wb") as new:
            new.writelines(line for line in old if _is_kept(line, next_offsets))
            new.flush()
            os.fsync(new.fileno())
        temporary.rename(path)
    except OSError as error:
        raise unwritable(path, error) from error


def _is_kept(line: bytes, next_offsets: Mapping[Partition, int]) -> bool:
    """A line that is torn was not counted yet, and comes again."""
    try:
        facts = orjson.loads(line)
        partition = Partition(facts["journal"] or facts["topic"], facts["partition"])
        return bool(facts["offset"] < next_offsets.get(partition, 0))
    except (ValueError, KeyError, TypeError):
        return False


def _lines(poison: Poison) -> Iterator[bytes]:
    for record, lane, error in zip(poison.delivery.records, poison.delivery.lanes, poison.errors, strict=True):
        yield orjson.dumps(_facts(record, lane, error)) + b"\n"


def _facts(record: PolledRecord, lane: Lane, error: Unprocessable) -> dict[str, Any]:
    place = lane.partition
    ids = [value.decode("latin-1") for name, value in record.headers if name == EVENT_ID]
    return {
        "id": f"{place.topic}/{place.partition}/{record.offset}",
        "event_id": ids[0] if ids else None,
        "reason": without_values(error.reason),
        "detail": without_values(error.detail),
        "status": error.status,
        "topic": record.topic,
        "journal": place.topic if place.topic != record.topic else None,
        "partition": place.partition,
        "offset": record.offset,
        "appended_at": iso_micros(record.timestamp * 1_000),
    }


def _append(path: Path, lines: bytes) -> None:
    with path.open("ab") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
