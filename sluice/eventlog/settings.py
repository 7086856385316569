"""Settings of the event log: the journal's bounds, Kafka, durability."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from schemas.topics import MAX_EVENT_BYTES

MAX_SECONDS = 365 * 86_400.0
"""A year: more is a slip of the finger, and infinity cannot be counted in microseconds."""
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)]
Bytes = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """A part of a settings tree: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class JournalSettings(Section):
    """The write-ahead journal of one worker, and where Kafka is absent the event log itself."""

    max_bytes: Bytes = 8 << 30
    max_exchange_bytes: Bytes = MAX_EVENT_BYTES
    on_full: Literal["refuse", "drop"] = "refuse"
    commit_timeout_seconds: Seconds = 2.0
    """With ``sync: full``, after which an exchange's connection is closed without its last byte. With ``sync: none``
    the write is on the loop and cannot be given up: one that takes longer is counted."""
    sync: Literal["none", "full"] = "none"
    segment_max_bytes: Bytes = 64 << 20
    segment_max_age_seconds: Seconds = 600.0
    retention_seconds: Seconds = 7 * 86_400.0
    max_lag_bytes: Bytes = 6 << 30
    """Embedded only: a group further behind is detached, with an alert, and no longer holds space."""


class KafkaSettings(Section):
    """Where Kafka is; empty means the embedded journal is the event log."""

    bootstrap_servers: str = ""
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "sluice"
    single_broker: bool = False
    partitions: Annotated[int, Field(ge=1, le=1000)] = 12
    client_id: str = "sluice"
    username: str = ""
    password: SecretStr = SecretStr("")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    ca_file: str = ""
    request_timeout_seconds: Seconds = 10.0
    on_offset_lost: Literal["halt", "continue"] = "halt"
    """A committed offset that the topic no longer has is lost data: collectors halt, unless told to go on."""

    @property
    def replication(self) -> tuple[int, int]:
        """Replication factor and ``min.insync.replicas``."""
        return (1, 1) if self.single_broker else (3, 2)


class RelaySettings(Section):
    """How journal records are carried to Kafka."""

    linger_seconds: Seconds = 0.03
    max_batch_bytes: Annotated[int, Field(ge=16_384, le=1 << 20)] = 512 << 10
    max_memory_bytes: Bytes = 32 << 20


class StrictSettings(Section):
    """What ``strict`` waits for and for how long."""

    timeout_seconds: Seconds = 5.0
    on_timeout: Literal["refuse", "degrade"] = "refuse"


class EventLogSettings(Section):
    """How durable an exchange is before its last byte."""

    durability: Literal["fast", "durable", "strict"] = "durable"
    fast_max_bytes: Bytes = 64 << 20
    fast_flush_seconds: Seconds = 0.1


class SchemaSettings(Section):
    """How long a consumer waits for a schema that it does not know yet."""

    wait_seconds: Seconds = 60.0


class LogSettings(Section):
    """Everything above, as both services' settings trees include it."""

    journal: JournalSettings = JournalSettings()
    kafka: KafkaSettings = KafkaSettings()
    relay: RelaySettings = RelaySettings()
    strict: StrictSettings = StrictSettings()
    eventlog: EventLogSettings = EventLogSettings()
    schema_: SchemaSettings = Field(default=SchemaSettings(), alias="schema")

    @model_validator(mode="after")
    def strict_needs_kafka(self) -> LogSettings:
        """``strict`` promises Kafka's acknowledgement, so it needs a Kafka."""
        if self.eventlog.durability == "strict" and not self.kafka.bootstrap_servers:
            message = "eventlog.durability: strict needs kafka.bootstrap_servers; set it, or use durable"
            raise ValueError(message)
        return self
