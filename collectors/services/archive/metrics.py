"""What the archive counts of itself."""

from __future__ import annotations

from sluice.telemetry import Registry


class ArchiveMetrics:
    """The metrics of one process, as a ``Meter``; where it does not archive they stand still."""

    def __init__(self, registry: Registry) -> None:
        self.records = registry.counter(
            "sluice_collector_archive_records_total",
            "Records of hours whose manifest is written.",
            labels=("topic",),
        )
        self.size_bytes = registry.counter(
            "sluice_collector_archive_bytes_total", "Bytes of their files.", "bytes", ("topic",)
        )
        self.lost_offsets = registry.counter(
            "sluice_collector_archive_lost_offsets_total",
            "Offsets that the log had deleted before they were archived: they are gaps in manifests.",
            labels=("topic",),
        )
        self.failures = registry.counter(
            "sluice_collector_archive_failures_total",
            "Times that it could not be archived what was due, or not be looked whether anything was.",
        )
        self.waiting_seconds = registry.gauge(
            "sluice_collector_archive_waiting_seconds",
            "Since when that fails; 0 where it does not. Beyond the topics' retention it costs records.",
            "seconds",
        )

    def archived(self, topic: str, records: int, size_bytes: int) -> None:
        """Of one topic in one hour that is complete."""
        self.records.add(records, topic)
        self.size_bytes.add(size_bytes, topic)

    def lost(self, topic: str, offsets: int) -> None:
        """The log deleted these before they were archived."""
        self.lost_offsets.add(offsets, topic)

    def well(self) -> None:
        """Everything that is due is archived."""
        self.waiting_seconds.set(0)

    def failed(self, waiting_seconds: float) -> None:
        """It could not be archived what is due, since so long."""
        self.failures.add(1)
        self.waiting_seconds.set(waiting_seconds)
