"""Gateway reports: what a worker says it did, each minute and at each end of a boot, to be compared with the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from gateway.version import program_version
from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import Boot, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.exchange import Exchange
    from schemas.events import Kind
    from schemas.topics import Topics


@dataclass(slots=True)
class Totals:
    """Running totals of one boot; absolute, so that a lost report loses nothing."""

    outcomes: dict[str, int] = field(default_factory=dict)
    request_bytes: int = 0
    response_bytes: int = 0
    cost_nanos: int = 0
    unrecorded: int = 0
    started_at: int = field(default_factory=lambda: now_micros())  # noqa: PLW0108 - the clock of that moment
    """When the boot began, in microseconds: its sequence numbers begin then, with 1."""

    def add(self, exchange: Exchange) -> None:
        """Count one ended exchange."""
        outcome = exchange.outcome or "gateway_error"
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.request_bytes += len(exchange.body)
        self.response_bytes += exchange.response_bytes
        self.cost_nanos += exchange.cost_nanos or 0


def report(
    boot: Boot,
    topics: Topics,
    totals: Totals,
    sequences: Mapping[Kind, int],
    drops: Mapping[str, int],
    *,
    closing: bool,
) -> Record:
    """One report, as a record for the event log."""
    body = {
        "gateway_id": boot.gateway_id,
        "worker": boot.worker,
        "boot_id": boot.boot_id,
        "version": program_version(),
        "reported_at": iso_micros(now_micros()),
        "started_at": iso_micros(totals.started_at),
        "closing": closing,
        "outcomes": dict(totals.outcomes),
        "request_bytes": totals.request_bytes,
        "response_bytes": totals.response_bytes,
        "cost_nanos": totals.cost_nanos,
        "unrecorded": totals.unrecorded,
        "last_sequences": dict(sequences),
        "drops": dict(drops),
    }
    return Record(topics.gateway_report.name, boot.gateway_id.encode(), orjson.dumps(body))


def closing_report(boot: Boot, topics: Topics, sequences: Mapping[Kind, int], interrupted: int) -> Record:
    """The report that a killed boot could not write: what its journal and in-flight file show."""
    body = {
        "gateway_id": boot.gateway_id,
        "worker": boot.worker,
        "boot_id": boot.boot_id,
        "reported_at": iso_micros(now_micros()),
        "closing": True,
        "adopted": True,
        "outcomes": {"interrupted": interrupted},
        "last_sequences": dict(sequences),
    }
    return Record(topics.gateway_report.name, boot.gateway_id.encode(), orjson.dumps(body))
