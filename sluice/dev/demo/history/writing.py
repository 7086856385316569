"""Writes the past into a journal of its own, as a gateway that has ended left it: one boot, its numbers, its report.

Collectors carry it as any other. Slots that were written are not written again: the journals' names say which. One that
was killed in the middle leaves nothing but a folder that no one reads.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import orjson
from pydantic import BaseModel

from schemas.topics import Topics
from sluice.clock import at_micros, iso_micros, micros_of, now_micros
from sluice.dev.demo.history.events import Past
from sluice.dev.demo.history.happening import happened_in
from sluice.dev.demo.history.rhythm import SLOT_MICROS
from sluice.eventlog.interface import Boot, Record
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.places import gateway_journal
from sluice.eventlog.settings import JournalSettings, KafkaSettings
from sluice.money.installed_prices import installed_base_prices
from sluice.money.price_settings import PriceSettings, price_of
from sluice.money.prices import PriceTable
from sluice.settings import load_settings

GATEWAY_ID = "demo-history"
DAYS = 15
"""A week, the week before it to compare with, and a day that no range cuts."""
_SLOTS = DAYS * 86_400_000_000 // SLOT_MICROS
_LEAST_SLOTS = 6
"""Less than an hour is not worth a journal."""
_PART = "history.part"
_STAMP = "%Y%m%dT%H%M"


class _File(BaseModel):
    """What is read of ``sluice.yaml``."""

    data_dir: Path
    kafka: KafkaSettings = KafkaSettings()
    journal: JournalSettings = JournalSettings()
    price_version: str = "1"
    prices: tuple[PriceSettings, ...] = ()
    prices_base: Literal["genai-prices", "none"] = "genai-prices"


@dataclass(slots=True)
class Written:
    """What was written."""

    exchanges: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    request_bytes: int = 0
    response_bytes: int = 0
    cost_nanos: int = 0


def write_history(config: Path, variables: Mapping[str, str], *, anew: bool = False, days: int = DAYS) -> Written:
    """All of the past that is not there yet, up to now. ``anew``: the log that had it is gone.

    Raises EventLogError, SettingsError.
    """
    settings = load_settings(config, _File, variables)
    journals = gateway_journal(settings.data_dir, GATEWAY_ID, "x").parent
    if anew:
        shutil.rmtree(journals, ignore_errors=True)
    end = now_micros() // SLOT_MICROS
    start = max(end - days * _SLOTS // DAYS, _written_until(journals))
    if end - start < _LEAST_SLOTS:
        return Written()
    return asyncio.run(_write(settings, journals, range(start, end)))


def _written_until(journals: Path) -> int:
    """The slot behind the last that a journal here is of."""
    ends = [path.name.rpartition("-")[2] for path in journals.glob("*-*")]
    return max(
        (micros_of(datetime.strptime(end, _STAMP).replace(tzinfo=UTC)) // SLOT_MICROS for end in ends), default=0
    )


async def _write(settings: _File, journals: Path, slots: range) -> Written:
    stamps = [at_micros(slot * SLOT_MICROS).strftime(_STAMP) for slot in (slots.start, slots.stop)]
    name = "-".join(stamps)
    boot = Boot(GATEWAY_ID, name, hashlib.sha256(name.encode()).hexdigest()[:32])
    part = settings.data_dir / _PART
    shutil.rmtree(part, ignore_errors=True)
    topics = Topics(settings.kafka.namespace, settings.kafka.partitions)
    journal = Journal(part, settings.journal, topics, embedded=not settings.kafka.bootstrap_servers)
    try:
        journal.begin(boot)
        written = _write_slots(journal, Past(boot, _prices(settings)), slots)
        journal.write_records_now([_report(boot, topics, journal, written, slots)])
    finally:
        await journal.close()
    journals.mkdir(parents=True, exist_ok=True)
    part.rename(journals / name)
    return written


def _prices(settings: _File) -> PriceTable:
    """As the gateway that reads the same file."""
    own = [price_of(row, settings.price_version) for row in settings.prices]
    return PriceTable(own, None if settings.prices_base == "none" else installed_base_prices(settings.data_dir))


def _write_slots(journal: Journal, past: Past, slots: range) -> Written:
    written = Written()
    for slot in slots:
        for each in happened_in(slot):
            recorded = past.record(each)
            journal.write_now(recorded.events)
            written.exchanges += 1
            written.outcomes[each.outcome] += 1
            written.request_bytes += recorded.request_bytes
            written.response_bytes += recorded.response_bytes
            written.cost_nanos += recorded.cost_nanos
    return written


def _report(boot: Boot, topics: Topics, journal: Journal, written: Written, slots: range) -> Record:
    """The closing report of that boot: what must be in the log of it, for whoever reconciles."""
    body = {
        "gateway_id": boot.gateway_id,
        "worker": boot.worker,
        "boot_id": boot.boot_id,
        "reported_at": iso_micros(now_micros()),
        "started_at": iso_micros(slots.start * SLOT_MICROS),
        "closing": True,
        "outcomes": dict(written.outcomes),
        "request_bytes": written.request_bytes,
        "response_bytes": written.response_bytes,
        "cost_nanos": written.cost_nanos,
        "unrecorded": 0,
        "last_sequences": dict(journal.sequences),
        "drops": {},
    }
    return Record(topics.gateway_report.name, boot.gateway_id.encode(), orjson.dumps(body))
