"""``budget_aggregate.json``: what each app spent on each LLM in each month, to the nano, and which offsets that covers.

Totals and offsets are one file that is replaced at once, so that a record is in both or in neither: what comes again
changes nothing. Several processes may share the file; each adds to what it finds, under a lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import polars as pl

from collectors.errors import Halt
from collectors.sinks.file.folder import leftovers, replace, translated
from collectors.sinks.offset_names import OffsetNames
from collectors.sinks.ordering import Placed, Position

FILE_NAME = "budget_aggregate.json"
_LOCK_NAME = f".{FILE_NAME}.lock"
_NANOS = 1_000_000_000
_SUMS = ("tokens_used", "prompt_tokens", "completion_tokens", "requests_count")

Document = dict[str, Any]


class Usage(NamedTuple):
    """What one event adds to one total."""

    app_id: int
    llm_id: int
    month: str
    currency: str
    cost_nanos: int
    sums: tuple[int, ...]

    @property
    def key(self) -> str:
        """As the reference's."""
        return f"app_{self.app_id}_llm_{self.llm_id}_{self.month}"


def usages(rows: pl.DataFrame) -> list[Usage]:
    """One for each row; its month is that of its admission, UTC. An app or LLM that was not known is 0."""
    month = pl.col("occurred_at").cast(pl.Datetime("us")).dt.strftime("%Y-%m").alias("month")
    ids = [pl.col(name).fill_null(0) for name in ("app_id", "llm_id")]
    found = rows.select(*ids, month, "currency", pl.col("cost_nanos").fill_null(0), *_SUMS).rows()
    return [Usage(app, llm, when, currency, nanos, tuple(sums)) for app, llm, when, currency, nanos, *sums in found]


class AggregateFile:
    """The file, whoever writes to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def held(self) -> Iterator[Document]:
        """What is in it, while nobody else changes it."""
        with self._turn, translated(self._folder):
            descriptor = os.open(self._folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield self._read()
            finally:
                os.close(descriptor)

    def tidy(self) -> None:
        """Remove what processes left that were killed while they replaced it."""
        if any(leftovers(self._folder, FILE_NAME)):
            with self.held():  # so that nobody is at it
                for path in leftovers(self._folder, FILE_NAME):
                    path.unlink(missing_ok=True)

    def _read(self) -> Document:
        path = self._folder / FILE_NAME
        try:
            document = _decoded(path.read_bytes())
        except FileNotFoundError:
            return {"version": 1, "totals": {}, "covers": {}}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = f"{path} is not a file of totals with what they cover ({error})"
            raise Halt(reason, "move it away: it is counted anew from what the log still has") from error
        return document

    def write(self, document: Document) -> None:
        """Replace it; by who holds it."""
        replace(self._folder, FILE_NAME, orjson.dumps(_encoded(document), option=orjson.OPT_INDENT_2))


def _decoded(content: bytes) -> Document:
    document: Document = orjson.loads(content)
    for total in document["totals"].values():
        total["cost_nanos"] = {currency: int(nanos) for currency, nanos in total["cost_nanos"].items()}
        for name in _SUMS:
            total[name] = int(total[name])
    for covered in document["covers"].values():
        _position(covered)
    return document


def _encoded(document: Document) -> Document:
    """Whole nanos as text where a JSON number of 64 bits cannot hold them; cost as an exact decimal."""
    totals = {}
    for key, total in sorted(document["totals"].items()):
        costs = {currency: _decimal(nanos) for currency, nanos in sorted(total["cost_nanos"].items())}
        sums = {name: _number(total[name]) for name in _SUMS}
        nanos = {currency: _number(nanos) for currency, nanos in sorted(total["cost_nanos"].items())}
        totals[key] = {**total, **sums, "cost": costs, "cost_nanos": nanos}
    return {**document, "totals": totals}


def _number(value: int) -> int | str:
    return value if -(2**63) <= value < 2**63 else str(value)


def _decimal(nanos: int) -> str:
    whole, rest = divmod(abs(nanos), _NANOS)
    return f"{'-' if nanos < 0 else ''}{whole}.{rest:09}"


class AggregateStore:
    """A ``Store`` that adds one partition's events to the file."""

    def __init__(self, file: AggregateFile, names: OffsetNames, *, least_epoch: int) -> None:
        self._file = file
        self._names = names
        self._epoch = least_epoch
        self._log_id = ""

    def open(self, first: Placed) -> Position:
        """What it covers of this partition. What is another log's is another epoch."""
        with self._file.held() as document:
            covers = document["covers"]
            while self._names.stem(self._epoch + 1) in covers:
                self._epoch += 1
            covered = covers.get(self._names.stem(self._epoch), {})
            before = covered.get("log_id", "")
            self._log_id = first.lane.log_id or before
            return self.begin_epoch() if before not in {"", self._log_id} else _position(covered)

    def append(self, documents: Sequence[Placed]) -> int:
        """Add them; those that another process has added meanwhile are passed over."""
        with self._file.held() as document:
            stem = self._names.stem(self._epoch)
            position = _position(document["covers"].get(stem))
            fresh = [each for each in documents if each.offset >= position.next_offset]
            if fresh:
                for each in fresh:
                    _add(document["totals"], each.body)
                newest = max(position.newest_ms or 0, *(each.appended_at_ms for each in fresh))
                covered = {"next_offset": fresh[-1].offset + 1, "newest_ms": newest}
                document["covers"][stem] = covered | ({"log_id": self._log_id} if self._log_id else {})
                self._file.write(document)
        return len(documents)

    def begin_epoch(self) -> Position:
        """Totals go on; offsets are counted anew."""
        self._epoch += 1
        return Position()

    def tend(self) -> None:
        """Nothing is ever due."""

    def close(self) -> None:
        """Nothing is open."""


def _position(covered: Document | None) -> Position:
    return Position() if not covered else Position(covered["next_offset"], covered["newest_ms"])


def _add(totals: dict[str, Document], usage: Usage) -> None:
    total = totals.setdefault(
        usage.key,
        {"app_id": usage.app_id, "llm_id": usage.llm_id, "month": usage.month, **dict.fromkeys(_SUMS, 0)}
        | {"cost_nanos": {}},
    )
    for name, value in zip(_SUMS, usage.sums, strict=True):
        total[name] += value
    nanos = total["cost_nanos"]
    nanos[usage.currency] = nanos.get(usage.currency, 0) + usage.cost_nanos
