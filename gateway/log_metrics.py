"""What metrics show of the event log: the journal of a worker, and the relay that carries it to Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice.eventlog.journal.journal import Journal
    from sluice.eventlog.relay import Relay
    from sluice.telemetry import Registry

_JOURNAL = (
    ("used_bytes", "What lies in this worker's journal.", "bytes"),
    ("left_bytes", "What may still be written to it.", "bytes"),
    ("records", "Records written by this boot.", ""),
    ("failed_batches", "Groups of exchanges that could not be written.", ""),
    ("late_batches", "Groups that took longer than journal.commit_timeout_seconds.", ""),
    ("dropped_exchanges", "Answered without a record, for want of room (journal.on_full: drop).", ""),
    ("undurable_exchanges", "Answered, and then not written (on_full: drop, or mode fast).", ""),
    ("degraded_exchanges", "Answered without Kafka's acknowledgement (strict.on_timeout: degrade).", ""),
    ("cut_bytes", "Torn bytes cut from its end when it was opened.", "bytes"),
    ("damaged_places", "Damage found in it when it was opened.", ""),
    ("detached_groups", "Groups too far behind that lost their place, and what lay there.", ""),
    ("housekeeping_failures", "Times that rolling, retention or measuring failed.", ""),
    ("unflushed_bytes", "Mode fast: what a crash would lose now.", "bytes"),
)
_RELAY = (
    ("lag_records", "Records that Kafka has not acknowledged yet."),
    ("failures", "Rounds of the relay that failed, of this boot."),
    ("refused_records", "Records Kafka refused for good."),
    ("fell_behind", "Times that the relay gave up memory for the file, of this boot."),
    ("gaps", "Places where the relay could not go on reading: damage, lost segments, wrong offsets."),
    ("acknowledging", "1 where Kafka acknowledges, else 0."),
    ("fenced", "1 where another relay carries this journal, so that this one stands by, else 0."),
)


class LogGauges:
    """Set each second; where there is no relay its gauges have no value."""

    def __init__(self, registry: Registry) -> None:
        self.journal = {
            name: registry.gauge(f"sluice_journal_{name}", meaning, unit) for name, meaning, unit in _JOURNAL
        }
        self.relay = {name: registry.gauge(f"sluice_relay_{name}", meaning) for name, meaning in _RELAY}

    def observe(self, journal: Journal, relay: Relay | None) -> None:
        """Show how the event log is now."""
        counters, room = journal.counters, journal.room
        for name, value in (
            ("used_bytes", room.used_bytes),
            ("left_bytes", room.left_bytes),
            ("records", counters.records),
            ("failed_batches", counters.failed_batches),
            ("late_batches", counters.late_batches),
            ("dropped_exchanges", counters.exchanges_dropped),
            ("undurable_exchanges", counters.exchanges_undurable),
            ("degraded_exchanges", counters.exchanges_degraded),
            ("cut_bytes", counters.cut_bytes),
            ("damaged_places", counters.damaged),
            ("detached_groups", counters.groups_detached),
            ("housekeeping_failures", counters.housekeeping_failures),
            ("unflushed_bytes", counters.unflushed_bytes),
        ):
            self.journal[name].set(value)
        if relay is not None:
            self._observe_relay(relay)

    def _observe_relay(self, relay: Relay) -> None:
        for name, value in (
            ("lag_records", relay.lag_records),
            ("failures", relay.counters.failures),
            ("refused_records", relay.counters.refused),
            ("fell_behind", relay.counters.fell_behind),
            ("gaps", relay.gaps),
            ("acknowledging", int(relay.is_acknowledging)),
            ("fenced", int(relay.is_fenced)),
        ):
            self.relay[name].set(value)
