"""Rows as blocks: what is inserted together, under a token that a retry repeats.

A block is a run of one partition, cut when the batch is made; so is its token, from the partition, the first and the
last offset, and the ids of the events, for a topic that was deleted and made again has the same offsets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from collectors.deliveries import Frame
from schemas.events import Kind
from sluice.eventlog.interface import Partition


class Row(NamedTuple):
    """One row, and the block it belongs to."""

    event_id: str
    line: bytes
    kind: Kind
    partition: Partition
    offset: int
    block: int


def rows_of(frame: Frame, lines: Sequence[bytes], first: int, max_rows: int, max_bytes: int) -> list[Row]:
    """A row for each line; blocks are numbered from ``first`` on."""
    rows: list[Row] = []
    open_blocks: dict[Partition, list[int]] = {}  # number, rows, bytes
    number = first
    delivery, ids = frame.delivery, frame.rows["event_id"].to_list()
    for event_id, line, record, lane in zip(ids, lines, delivery.records, delivery.lanes, strict=True):
        found = open_blocks.get(lane.partition)
        if found is None or found[1] == max_rows or found[2] + len(line) > max_bytes:
            found = open_blocks[lane.partition] = [number, 0, 0]
            number += 1
        found[1] += 1
        found[2] += len(line) + 1
        rows.append(Row(event_id, line, frame.kind, lane.partition, record.offset, found[0]))
    return rows


def blocks_of(rows: Sequence[Row]) -> Iterator[list[int]]:
    """The positions of each block's rows, in the order of their offsets."""
    blocks: dict[int, list[int]] = {}
    for position, row in enumerate(rows):
        blocks.setdefault(row.block, []).append(position)
    for positions in blocks.values():
        yield sorted(positions, key=lambda at: rows[at].offset)


def token_of(rows: Sequence[Row]) -> str:
    """``topic-partition-first-last`` and a digest of the ids."""
    digest = hashlib.sha256("\n".join([row.event_id for row in rows]).encode()).hexdigest()[:16]
    topic, partition = rows[0].partition
    return f"{topic}-{partition}-{rows[0].offset}-{rows[-1].offset}-{digest}"
