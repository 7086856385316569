"""Records to what they say: checked as columns, so that nothing absurd is ever added, and summed exactly.

| problem | what becomes of the event |
|---|---|
| ``undecodable`` | no event: nothing is known of it |
| ``bad_sequence``, ``bad_name`` | cannot be told from another: not counted |
| ``absurd``, ``bad_charge`` | its number is taken, so that it is no gap; it is added nowhere |
| ``uncharged`` | its number is taken; there is nothing to add |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import polars as pl

from collectors.columns import Decoder
from collectors.deliveries import Delivery, Frame
from collectors.services.budget_truth.boots import MAX_SEQUENCE, BootId, digest_of, page_of
from collectors.tracker import Lane
from sluice.eventlog.interface import Partition, PolledRecord

MAX_NANOS = 1 << 53
"""Nine million of a currency for one exchange; a JSON reader has it exactly too."""
MAX_TOKENS = 1 << 40
MAX_REQUESTS = 1 << 20
_MAX_NAME_BYTES = 255
_MAX_SCOPE_BYTES = 200
_MAX_CURRENCY_BYTES = 16
_CONTROL = r"[\x00-\x1f\x7f]"
"""Our separator is one of them, and PostgreSQL has no text with a zero in it."""
_NAMES = ("gateway_id", "worker", "boot_id")
_CHARGED = ("scope", "scope_id", "period_id")
_KEY = (*_CHARGED, "period_start", "period_end", "currency")

Problems = dict[str, tuple[int, str]]
"""By kind: how many, and the first of them, for people."""


class TotalKey(NamedTuple):
    """What a sum is of."""

    scope: str
    scope_id: str
    period_id: str
    period_start: int
    period_end: int
    currency: str


class Sum(NamedTuple):
    """What is added to a total."""

    spent_nanos: int = 0
    corrected_nanos: int = 0
    tokens: int = 0
    requests: int = 0

    def plus(self, other: Sum) -> Sum:
        """Both."""
        return Sum(*(one + two for one, two in zip(self, other, strict=True)))


class Report(NamedTuple):
    """What a gateway says of a boot."""

    boot: BootId
    last: int
    closing: bool


class Claimable(NamedTuple):
    """One number of a boot, and for which event."""

    row: int
    boot: BootId
    sequence: int
    digest: int
    event_id: str


@dataclass(slots=True)
class Tally:
    """What a batch says; ``sums_of`` adds up those of its rows whose number was free."""

    claimables: list[Claimable] = field(default_factory=list)
    charges: list[pl.DataFrame] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    problems: Problems = field(default_factory=dict)
    unknown: dict[bytes, tuple[int, str]] = field(default_factory=dict)
    """By fingerprint of a schema that nobody has shown us: how many events, and where the first is."""
    rows: int = 0

    def complain(self, kind: str, count: int, example: str) -> None:
        """Remember a problem; the first of a kind is shown."""
        known, first = self.problems.get(kind, (0, ""))
        self.problems[kind] = (known + count, first or example)

    @property
    def boots(self) -> set[BootId]:
        """All that are named."""
        return {each.boot for each in self.claimables} | {report.boot for report in self.reports}

    @property
    def pages(self) -> set[tuple[str, int]]:
        """Where the numbers lie."""
        keys = {boot: boot.key for boot in self.boots}
        return {(keys[each.boot], page_of(each.sequence)) for each in self.claimables}

    def sums_of(self, applied: Sequence[int]) -> dict[TotalKey, Sum]:
        """By what is charged; ``applied`` are rows."""
        if not self.charges or not applied:
            return {}
        wanted = pl.Series("row", applied, pl.UInt32)
        found = pl.concat(self.charges).filter(pl.col("row").is_in(wanted.implode()))
        cost = pl.col("cost_nanos").cast(pl.Int128)
        sums = found.group_by(_KEY).agg(
            cost.sum().alias("spent"),
            cost.filter(pl.col("is_correction")).sum().alias("corrected"),
            pl.col("tokens_used").sum(),
            pl.col("requests_count").sum(),
        )
        return {TotalKey(*row[:6]): Sum(*(int(value) for value in row[6:])) for row in sums.iter_rows()}


def tally(decoder: Decoder, events: Sequence[PolledRecord], reports: Iterable[PolledRecord]) -> Tally:
    """Everything that these records say. Pure but for the decoder's counters; for a thread of its own."""
    found = Tally()
    lane = Lane(Partition("budget-truth", 0))
    delivery = Delivery()
    delivery.add_lane(events, lane)
    decoded = decoder.decode(delivery)
    for record, error in zip(decoded.poison.delivery.records, decoded.poison.errors, strict=True):
        found.complain("undecodable", 1, f"{_place(record)}: {error}")
    for fingerprint, unknown in decoded.unknown.items():
        found.unknown[fingerprint] = (len(unknown), f"{_place(unknown.records[0])}: schema {fingerprint.hex()}")
    for frame in decoded.frames:
        _take(found, frame)
    for record in reports:
        _take_report(found, record)
    return found


def _place(record: PolledRecord) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


def _take(found: Tally, frame: Frame) -> None:
    if frame.kind != "budget":
        found.complain("undecodable", len(frame.delivery), f"{_place(frame.delivery.records[0])}: a {frame.kind} event")
        return
    rows = frame.rows.with_row_index("row", offset=found.rows)
    found.rows += len(rows)
    charges = _charges(rows)
    bad = charges.filter("is_bad")["row"].unique()
    judged = rows.select("row", "event_id", "sequence", *_NAMES, _problem(bad).alias("problem"))
    for kind, group in judged.filter(pl.col("problem").is_not_null()).group_by("problem"):
        found.complain(str(kind[0]), len(group), _named(group.row(0, named=True)))
    unclaimable = pl.col("problem").is_in(["bad_sequence", "bad_name"])
    _claim(found, judged.filter(~unclaimable.fill_null(value=False)))
    sound = judged.filter(pl.col("problem").is_null())["row"]
    found.charges.append(charges.filter(pl.col("row").is_in(sound.implode())).drop("is_bad"))


def _claim(found: Tally, rows: pl.DataFrame) -> None:
    boots: dict[tuple[str, str, str], BootId] = {}
    columns = (rows[name].to_list() for name in ("row", "event_id", "sequence", *_NAMES))
    for row, event_id, sequence, *names in zip(*columns, strict=True):
        key = (names[0], names[1], names[2])
        boot = boots.get(key)
        if boot is None:
            boot = boots[key] = BootId(*key)
        found.claimables.append(Claimable(row, boot, sequence, digest_of(event_id), event_id))


def _named(row: dict[str, object]) -> str:
    boot = "/".join(str(row[name])[:_MAX_NAME_BYTES] for name in _NAMES)
    return f"{row['event_id']} (sequence {row['sequence']} of {boot})"


def _problem(bad_charges: pl.Series) -> pl.Expr:
    """Of each row the first that there is; null where it is sound."""
    sequence = pl.col("sequence")
    cost, correction = pl.col("cost_nanos"), pl.col("kind") == "correction"
    absurd = (
        ~pl.col("kind").is_in(["usage", "correction"])
        | ((cost < 0) & ~correction)
        | ~cost.is_between(-MAX_NANOS, MAX_NANOS)
        | ~pl.col("requests_count").is_between(0, MAX_REQUESTS)
        | _is_bad_text("currency", _MAX_CURRENCY_BYTES)
    )
    for name in ("tokens_used", "prompt_tokens", "completion_tokens"):
        absurd = absurd | ~pl.col(name).is_between(pl.when(correction).then(-MAX_TOKENS).otherwise(0), MAX_TOKENS)
    names = [_is_bad_text(name, _MAX_NAME_BYTES) for name in _NAMES]
    return (
        pl.when(~sequence.is_between(1, MAX_SEQUENCE)).then(pl.lit("bad_sequence"))
        .when(names[0] | names[1] | names[2]).then(pl.lit("bad_name"))
        .when(absurd).then(pl.lit("absurd"))
        .when(pl.col("row").is_in(bad_charges.implode())).then(pl.lit("bad_charge"))
        .when(pl.col("charges").list.len() == 0).then(pl.lit("uncharged"))
    )  # fmt: skip


def _is_bad_text(name: str, max_bytes: int) -> pl.Expr:
    text = pl.col(name)
    return ~text.str.len_bytes().is_between(1, max_bytes) | text.str.contains(_CONTROL)


def _charges(rows: pl.DataFrame) -> pl.DataFrame:
    """A row for each budget that is charged, with what is charged to it."""
    worth = ("cost_nanos", "tokens_used", "requests_count")
    found = (
        rows.select("row", "charges", "currency", *worth, (pl.col("kind") == "correction").alias("is_correction"))
        .filter(pl.col("charges").list.len() > 0)
        .explode("charges")
        .unnest("charges")
    )
    texts = [_is_bad_text(name, _MAX_SCOPE_BYTES) for name in _CHARGED]
    is_bad = texts[0] | texts[1] | texts[2] | (pl.col("period_start") >= pl.col("period_end"))
    repeats = pl.struct("row", *_CHARGED).is_duplicated()
    return found.with_columns((is_bad | repeats).alias("is_bad"))


class _Body(msgspec.Struct):
    gateway_id: str
    worker: str
    boot_id: str
    closing: bool = False
    last_sequences: dict[str, int] = {}


_REPORTS = msgspec.json.Decoder(_Body)


def _take_report(found: Tally, record: PolledRecord) -> None:
    try:
        body = _REPORTS.decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        found.complain("bad_report", 1, f"{_place(record)}: {error}"[:_MAX_NAME_BYTES])
        return
    last = body.last_sequences.get("budget", 0)
    names = (body.gateway_id, body.worker, body.boot_id)
    if not 0 <= last <= MAX_SEQUENCE or not all(_is_name(name) for name in names):
        found.complain("bad_report", 1, f"{_place(record)}: names or numbers that no gateway gives")
        return
    found.reports.append(Report(BootId(*names), last, body.closing))


def _is_name(name: str) -> bool:
    return 0 < len(name.encode("utf-8", "replace")) <= _MAX_NAME_BYTES and name.isprintable()
