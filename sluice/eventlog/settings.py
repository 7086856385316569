"""Settings of the event log: the journal's bounds, Kafka, durability."""

from __future__ import annotations

from typing import Annotated, Literal, Self

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


class KafkaConnection(Section):
    """How a Kafka is reached."""

    bootstrap_servers: str = ""
    client_id: str = "sluice"
    username: str = ""
    password: SecretStr = SecretStr("")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    ca_file: str = ""
    client_certificate_file: str = ""
    """PEM: the certificate and what signed it. Shown to brokers that ask for one."""
    client_key_file: str = ""
    """PEM; empty where the key is in ``client_certificate_file``."""
    client_key_password: SecretStr = SecretStr("")
    check_hostname: bool = True
    """Whether the broker's certificate must name the host that was asked for; never off where others share the net."""
    request_timeout_seconds: Seconds = 10.0

    @model_validator(mode="after")
    def hold_together(self) -> Self:
        """What one setting needs of another; raises ValueError naming both."""
        if self.security_protocol.startswith("SASL") and not self.username:
            message = f"kafka.username is empty, and kafka.security_protocol is {self.security_protocol}: name the user"
            raise ValueError(message)
        if self.client_key_file and not self.client_certificate_file:
            message = "kafka.client_key_file is set without kafka.client_certificate_file: name the certificate too"
            raise ValueError(message)
        if self.client_certificate_file and not self.security_protocol.endswith("SSL"):
            message = "kafka.client_certificate_file needs TLS: set kafka.security_protocol to SSL or SASL_SSL"
            raise ValueError(message)
        return self


class KafkaSettings(KafkaConnection):
    """Where Kafka is; empty means the embedded journal is the event log."""

    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")] = "sluice"
    single_broker: bool = False
    partitions: Annotated[int, Field(ge=1, le=1000)] = 12
    on_offset_lost: Literal["halt", "continue"] = "halt"
    """A committed offset that the topic no longer has is lost data: collectors halt, unless told to go on."""
    group_instance_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,200}$")] = ""
    """Makes consumers static members of their groups, one id per process (``<id>-<worker>``): a restart within the
    session keeps the partitions and stops nobody else. Unique per host or pod; empty: ordinary members."""
    session_timeout_seconds: Annotated[float, Field(ge=1, le=1800, allow_inf_nan=False)] = 15.0
    """So long a member may be silent before its partitions are given to others."""
    heartbeat_interval_seconds: Annotated[float, Field(ge=0.1, le=600, allow_inf_nan=False)] = 3.0
    rebalance_timeout_seconds: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 60.0
    """So long members may take to give up what they hold."""
    max_poll_interval_seconds: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] = 300.0

    @model_validator(mode="after")
    def heartbeats_fit_the_session(self) -> Self:
        """What one setting needs of another; raises ValueError naming both."""
        if self.heartbeat_interval_seconds > self.session_timeout_seconds / 3:
            message = (
                f"kafka.heartbeat_interval_seconds {self.heartbeat_interval_seconds:g} must be at most a third of "
                f"kafka.session_timeout_seconds {self.session_timeout_seconds:g}: lower one or raise the other"
            )
            raise ValueError(message)
        return self

    def instance_id(self, worker: int = 0) -> str | None:
        """Under which name this process is a static member of its groups; ``None`` where it is an ordinary one."""
        return f"{self.group_instance_id}-{worker}" if self.group_instance_id else None

    @property
    def replication(self) -> tuple[int, int]:
        """Replication factor and ``min.insync.replicas``."""
        return (1, 1) if self.single_broker else (3, 2)


class RelaySettings(Section):
    """How journal records are carried to Kafka."""

    linger_seconds: Seconds = 0.03
    max_batch_bytes: Annotated[int, Field(ge=16_384, le=1 << 20)] = 512 << 10
    max_memory_bytes: Bytes = 32 << 20
    exactly_once: bool = False
    """Each round and its watermark in one Kafka transaction: who reads committed records sees each event once."""
    transaction_timeout_seconds: Annotated[float, Field(ge=1, le=900, allow_inf_nan=False)] = 15.0
    """With ``exactly_once``: so long a killed relay's open transaction may hold readers up where nobody takes over."""


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


class SchemaRegistrySettings(Section):
    """A schema registry with Confluent's API; where ``url`` is set, events in Kafka are framed with its ids."""

    url: Annotated[str, Field(pattern=r"^(https?://[^\s?#@]+)?$")] = ""
    """Where its API begins, such as ``https://registry:8081``; without name and password."""
    username: str = ""
    password: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    """Sent as a bearer token, instead of name and password."""
    ca_file: str = ""
    auto_register: bool = True
    """Whether writers register their schemas; if not, somebody else must have done so."""
    subject_names: Literal["topic_name", "record_name", "topic_record_name"] = "topic_name"
    timeout_seconds: Seconds = 5.0

    @model_validator(mode="after")
    def one_credential(self) -> SchemaRegistrySettings:
        """A token or a name and password; raises ValueError naming the keys."""
        if self.token.get_secret_value() and self.username:
            message = "schema_registry.token and schema_registry.username are both set: keep one"
            raise ValueError(message)
        given = [name for name in ("username", "password", "token", "ca_file") if name in self.model_fields_set]
        if given and not self.url:
            message = f"schema_registry.{given[0]} is set without schema_registry.url: set that too, or remove it"
            raise ValueError(message)
        return self


class LogSettings(Section):
    """Everything above, as both services' settings trees include it."""

    journal: JournalSettings = JournalSettings()
    kafka: KafkaSettings = KafkaSettings()
    relay: RelaySettings = RelaySettings()
    strict: StrictSettings = StrictSettings()
    eventlog: EventLogSettings = EventLogSettings()
    schema_: SchemaSettings = Field(default=SchemaSettings(), alias="schema")
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()

    @model_validator(mode="after")
    def strict_needs_kafka(self) -> LogSettings:
        """``strict`` promises Kafka's acknowledgement, so it needs a Kafka."""
        if self.eventlog.durability == "strict" and not self.kafka.bootstrap_servers:
            message = "eventlog.durability: strict needs kafka.bootstrap_servers; set it, or use durable"
            raise ValueError(message)
        if self.relay.exactly_once and not self.kafka.bootstrap_servers:
            message = "relay.exactly_once needs kafka.bootstrap_servers; set it, or remove relay.exactly_once"
            raise ValueError(message)
        return self
