"""Frames of analytics priced again: the step between decoding and selection of a job that writes them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping, Sequence

import polars as pl

from collectors.columns import Decoded
from collectors.deliveries import Delivery, Frame
from collectors.frames import COLUMNS as EVENT_COLUMNS
from collectors.jobs.interface import Decodes, FrameTest, Origin, Ranges
from collectors.jobs.reprice.repricing import COLUMNS, New, Old, Repricer
from schemas.codec import SchemaBook
from sluice.eventlog.interface import Partition, PolledRecord

CHANGED = ("cost_nanos", "currency", "price_id", "price_version", "cost_status")
"""What another price changes of an event."""


_OF_ATTEMPTS = pl.struct(pl.element().struct.field("llm_slug"), pl.element().struct.field("may_be_billed"))
"""Of an attempt all that a price may hang on: with the rest of it, rows would take twice as long to make."""
_READ = [pl.col(name).list.eval(_OF_ATTEMPTS) if name == "attempts" else pl.col(name) for name in COLUMNS]


def repriced(rows: pl.DataFrame, repricer: Repricer) -> Iterator[tuple[Old, New]]:
    """Each row of analytics as it is and as it would be."""
    columns = rows.select(_READ).get_columns()
    for values in zip(*(column.to_list() for column in columns), strict=True):
        old = Old(*values)
        yield old, repricer.reprice(old)


def reprice_frame(frame: Frame, repricer: Repricer, wants: FrameTest | None = None) -> Frame:
    """The same events, those that ``wants`` means at new prices; which it is asked of events as they were."""
    wanted = range(len(frame.delivery)) if wants is None else wants(frame)
    is_all = len(wanted) == len(frame.delivery)
    some = frame.rows if is_all else frame.rows[list(wanted)]
    found = [new[: len(CHANGED)] for _, new in repriced(some, repricer)]
    columns = []
    for at, name in enumerate(CHANGED):
        new = pl.Series(name, [values[at] for values in found], EVENT_COLUMNS["analytics"][name].dtype)
        columns.append(new if is_all else frame.rows[name].scatter(list(wanted), new))
    return Frame(frame.kind, frame.rows.with_columns(columns), frame.delivery)


class _RepricingDecoder:
    """Whatever decodes, then prices again."""

    def __init__(self, decoder: Decodes, repricer: Repricer, wants: FrameTest | None) -> None:
        self._decoder = decoder
        self._repricer = repricer
        self._wants = wants

    @property
    def book(self) -> SchemaBook:
        return self._decoder.book

    @property
    def column_failures(self) -> int:
        return self._decoder.column_failures

    def decode(self, delivery: Delivery) -> Decoded:
        decoded = self._decoder.decode(delivery)
        decoded.frames = [self._repriced(frame) for frame in decoded.frames]
        return decoded

    def _repriced(self, frame: Frame) -> Frame:
        return reprice_frame(frame, self._repricer, self._wants) if frame.kind == "analytics" else frame


class RepricedOrigin:
    """Another ``Origin``, with analytics at new prices: of those events that ``wants`` means, of all where it is
    ``None``. The others are there as they were, so that a day of it is a whole one."""

    has_originals = False

    def __init__(self, origin: Origin, repricer: Repricer, wants: FrameTest | None = None) -> None:
        self._origin = origin
        self._repricer = repricer
        self._wants = wants
        self.where = origin.where

    async def ranges(self, topics: Collection[str]) -> Ranges:
        """The other's."""
        return await self._origin.ranges(topics)

    async def offsets_at(self, ranges: Ranges, moment_ms: int) -> Mapping[Partition, int]:
        """The other's."""
        return await self._origin.offsets_at(ranges, moment_ms)

    async def lost(self, ranges: Ranges) -> Mapping[Partition, int]:
        """The other's."""
        return await self._origin.lost(ranges)

    def read(
        self, ranges: Ranges, topics: Collection[str]
    ) -> AsyncGenerator[tuple[Partition, Sequence[PolledRecord]], None]:
        """The records as they are."""
        return self._origin.read(ranges, topics)

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        """The other's."""
        return await self._origin.log_ids(partitions)

    async def read_schemas(self) -> Sequence[bytes]:
        """The other's."""
        return await self._origin.read_schemas()

    def decoder(self, book: SchemaBook) -> Decodes:
        """Whose frames have new prices."""
        return _RepricingDecoder(self._origin.decoder(book), self._repricer, self._wants)

    async def close(self) -> None:
        """Let go of the other."""
        await self._origin.close()
