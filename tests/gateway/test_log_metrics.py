"""What is shown of the event log is how it is."""

from __future__ import annotations

from pathlib import Path

from gateway.log_metrics import LogGauges
from sluice.telemetry import Registry
from tests.sluice.eventlog.journal.making import begun, exchange


class AcknowledgingRelay:
    """What the metrics ask of a relay."""

    lag_records = 7
    is_acknowledging = True
    is_fenced = True
    gaps = 4

    class counters:  # noqa: N801 - an attribute of the real one
        failures = 2
        refused = 1
        fell_behind = 3


async def test_the_journal_is_shown_as_it_is(tmp_path: Path) -> None:
    """Bytes used and left, and records; a gauge follows."""
    registry = Registry()
    gauges = LogGauges(registry)
    journal = begun(tmp_path, max_bytes=10 << 20)
    gauges.observe(journal, None)
    text = registry.render()
    assert "sluice_journal_records 0\n" in text
    journal.write_now(exchange())
    gauges.observe(journal, None)
    text = registry.render()
    assert f"sluice_journal_used_bytes {journal.room.used_bytes}\n" in text
    assert f"sluice_journal_left_bytes {journal.room.left_bytes}\n" in text
    assert "sluice_journal_records 3\n" in text
    assert "sluice_relay_lag_records " not in text.replace("# HELP sluice_relay_lag_records", "").replace(
        "# TYPE sluice_relay_lag_records", ""
    )
    await journal.close()


async def test_the_relay_is_shown_where_there_is_one(tmp_path: Path) -> None:
    """How far behind, what failed, and whether Kafka acknowledges."""
    registry = Registry()
    gauges = LogGauges(registry)
    journal = begun(tmp_path)
    relay = AcknowledgingRelay()
    gauges.observe(journal, relay)  # type: ignore[arg-type]
    values = {name: gauge.value() for name, gauge in gauges.relay.items()}
    assert values == {
        "lag_records": 7,
        "failures": 2,
        "refused_records": 1,
        "fell_behind": 3,
        "gaps": 4,
        "acknowledging": 1,
        "fenced": 1,
    }
    relay.is_acknowledging = False
    gauges.observe(journal, relay)  # type: ignore[arg-type]
    assert gauges.relay["acknowledging"].value() == 0
    await journal.close()
