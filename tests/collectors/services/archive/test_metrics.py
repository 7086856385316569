"""What the archive counts, as Prometheus reads it."""

from __future__ import annotations

from collectors.services.archive.metrics import ArchiveMetrics
from sluice.telemetry import Registry


def test_each_thing_that_happens_is_counted() -> None:
    """By topic; waiting ends when it is well again."""
    registry = Registry()
    metrics = ArchiveMetrics(registry)
    metrics.archived("t", 5, 100)
    metrics.archived("t", 2, 10)
    metrics.lost("t", 3)
    metrics.failed(7.5)
    text = registry.render()
    assert 'sluice_collector_archive_records_total{topic="t"} 7' in text
    assert 'sluice_collector_archive_bytes_total{topic="t"} 110' in text
    assert 'sluice_collector_archive_lost_offsets_total{topic="t"} 3' in text
    assert "sluice_collector_archive_failures_total 1" in text
    assert "sluice_collector_archive_waiting_seconds 7.5" in text
    metrics.well()
    assert "sluice_collector_archive_waiting_seconds 0" in registry.render()
