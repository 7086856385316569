"""The topics of a namespace, with every setting they are created with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from schemas.events import KINDS, Kind

_DAY_MS = 86_400_000
_MEGABYTE = 1 << 20
DLQ_SUFFIX = ".dlq"
DLQ_EXTRA_BYTES = 64 << 10
"""Room for the error headers of a dead letter beside the original bytes."""

MAX_EVENT_BYTES = _MEGABYTE
"""``max.message.bytes`` of the event topics; a larger event is cut before it is written."""

MAX_PAYLOAD_RECORD_BYTES = 1536 << 10
"""``max.message.bytes`` of what plugins send to control: 1 MiB of payload, and its metadata."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its name, its meaning and its settings."""

    name: str
    purpose: str
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int | None = None
    max_message_bytes: int = _MEGABYTE
    partitions: int = 12

    def settings(self) -> dict[str, str]:
        """Kafka's topic settings. LogAppendTime: with create time a late relay's records are deleted on arrival."""
        settings = {
            "cleanup.policy": self.cleanup,
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(self.max_message_bytes),
        }
        if self.retention_ms is not None:
            settings["retention.ms"] = str(self.retention_ms)
        return settings

    def dead_letters(self) -> Topic:
        """The topic for what can never be written: its retention, room for the error beside the bytes."""
        return Topic(
            self.name + DLQ_SUFFIX,
            f"dead letters of {self.name}",
            self.cleanup,
            self.retention_ms,
            self.max_message_bytes + DLQ_EXTRA_BYTES,
            self.partitions,
        )


@dataclass(frozen=True, slots=True)
class Topics:
    """The names under one namespace (``kafka.namespace``, by default ``sluice``)."""

    namespace: str = "sluice"
    partitions: int = 12

    def event(self, kind: Kind) -> Topic:
        """Where an event goes; its key is the exchange id."""
        days = {"proxy_log": 7, "analytics": 30, "budget": 40}[kind]
        name = {"proxy_log": "proxy-log", "analytics": "analytics", "budget": "budget"}[kind]
        return self._topic(name, f"{kind} events", days)

    def _topic(self, name: str, purpose: str, days: int) -> Topic:
        return Topic(f"{self.namespace}.{name}.v1", purpose, "delete", days * _DAY_MS, partitions=self.partitions)

    def _table(self, name: str, purpose: str) -> Topic:
        return Topic(f"{self.namespace}.{name}.v1", purpose, "compact", partitions=1)

    @property
    def schema(self) -> Topic:
        """Avro schemas by fingerprint."""
        return self._table("schema", "schemas by fingerprint")

    @property
    def budget_state(self) -> Topic:
        """What every budget's scope spent in a period, absolute; its key is ``scope:id:period_id``."""
        return self._table("budget-state", "totals of budgets, counted from the log, with what they cover")

    @property
    def redrive(self) -> Topic:
        """What came of dead letters that were given back; its key is where the letter lies."""
        return self._table("redrive", "what came of dead letters that were redriven")

    @property
    def gateway_report(self) -> Topic:
        """Counts of each gateway worker, each minute and at each end of a boot."""
        return self._topic("gateway-report", "gateway reports", 30)

    @property
    def alert(self) -> Topic:
        """What operators must see."""
        return self._topic("alert", "alerts", 90)

    @property
    def edge_payload(self) -> Topic:
        """What plugins sent to control; its key is the plugin's id."""
        topic = self._topic("edge-payload", "payloads from plugins to control", 7)
        return replace(topic, max_message_bytes=MAX_PAYLOAD_RECORD_BYTES)

    @property
    def plugin_message(self) -> Topic:
        """What plugins publish to one another; its key is the message's topic."""
        return self._topic("plugin-message", "messages among plugins", 1)

    def events(self) -> dict[str, Kind]:
        """Topic name → kind of event."""
        return {self.event(kind).name: kind for kind in KINDS}

    def all(self) -> list[Topic]:
        """Every topic this version uses, dead-letter topics included."""
        events = [self.event(kind) for kind in KINDS]
        plugins = [self.edge_payload, self.edge_payload.dead_letters(), self.plugin_message]
        return [
            *events,
            *(topic.dead_letters() for topic in events),
            *plugins,
            self.schema,
            self.budget_state,
            self.redrive,
            self.gateway_report,
            self.alert,
        ]
