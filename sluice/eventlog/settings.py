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
    """All segments of a worker together."""
    max_exchange_bytes: Bytes = MAX_EVENT_BYTES
    """What the events of one exchange may take; bodies are cut to fit."""
    on_full: Literal["refuse", "drop"] = "refuse"
    """Whether an exchange that finds no room is refused before its vendor is called, or loses its events, counted."""
    commit_timeout_seconds: Seconds = 2.0
    """With ``sync: full``, after which an exchange's connection is closed without its last byte. With ``sync: none``
    the write is on the loop and cannot be given up: one that takes longer is counted."""
    sync: Literal["none", "full"] = "none"
    """``none`` survives the end of our processes, ``full`` a loss of power too: fsync before the last byte."""
    segment_max_bytes: Bytes = 64 << 20
    """A file of the journal is closed when it is so large."""
    segment_max_age_seconds: Seconds = 600.0
    """Or so old."""
    retention_seconds: Seconds = 7 * 86_400.0
    """Embedded only: how long the journal keeps events that every group has read."""
    max_lag_bytes: Bytes = 6 << 30
    """Embedded only: a group further behind is detached, with an alert, and no longer holds space."""


class KafkaConnection(Section):
    """How a Kafka is reached."""

    bootstrap_servers: Annotated[str, Field(examples=["kafka-1:9092,kafka-2:9092"])] = ""
    """``host:port``, with commas between; empty: the journals are the event log."""
    client_id: Annotated[str, Field(examples=["sluice-eu"])] = "sluice"
    """How brokers' logs and quotas name us."""
    username: Annotated[str, Field(examples=["sluice"])] = ""
    """For SASL."""
    password: SecretStr = SecretStr("")
    """Of that user."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Whether the connection has TLS, and whether a user logs in."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """How the user logs in."""
    ca_file: Annotated[str, Field(examples=["/etc/sluice/ca.pem"])] = ""
    """PEM of who signed the brokers' certificates; empty: the system's authorities."""
    client_certificate_file: Annotated[str, Field(examples=["/etc/sluice/client.pem"])] = ""
    """PEM: the certificate and what signed it. Shown to brokers that ask for one."""
    client_key_file: Annotated[str, Field(examples=["/etc/sluice/client.key"])] = ""
    """PEM; empty where the key is in ``client_certificate_file``."""
    client_key_password: SecretStr = SecretStr("")
    """Of an encrypted key."""
    check_hostname: bool = True
    """Whether the broker's certificate must name the host that was asked for; never off where others share the net."""
    request_timeout_seconds: Seconds = 10.0
    """Of each question to a broker."""

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

    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$", examples=["sluice-eu"])] = "sluice"
    """What all topics, groups and transactional ids begin with."""
    single_broker: bool = False
    """Whether topics are made with one replica instead of three of which two are in sync."""
    partitions: Annotated[int, Field(ge=1, le=1000)] = 12
    """Of topics that are made."""
    on_offset_lost: Literal["halt", "continue"] = "halt"
    """A committed offset that the topic no longer has is lost data: collectors halt, unless told to go on."""
    group_instance_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,200}$", examples=["collector-1"])] = ""
    """Makes consumers static members of their groups, one id per process (``<id>-<worker>``): a restart within the
    session keeps the partitions and stops nobody else. Unique per host or pod; empty: ordinary members."""
    session_timeout_seconds: Annotated[float, Field(ge=1, le=1800, allow_inf_nan=False, examples=[45.0])] = 15.0
    """So long a member may be silent before its partitions are given to others."""
    heartbeat_interval_seconds: Annotated[float, Field(ge=0.1, le=600, allow_inf_nan=False, examples=[5.0])] = 3.0
    """How often a member says that it is there: a third of the session at most."""
    rebalance_timeout_seconds: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 60.0
    """So long members may take to give up what they hold."""
    max_poll_interval_seconds: Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)] = 300.0
    """So long a member may poll nothing."""

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

    linger_seconds: Seconds = 1.0
    """From the beginning of one round to the next, which grows meanwhile: events reach Kafka up to so much after their
    exchange, and half of it makes twice as many rounds, at 0.5 to 1 ms of CPU beside what events cost. Sooner where one
    is large or a client waits (``durability: strict``), and at once after a quiet while."""
    max_batch_bytes: Annotated[int, Field(ge=16_384, le=1 << 20)] = 512 << 10
    """Of a batch, before compression."""
    max_memory_bytes: Bytes = 32 << 20
    """What waits in memory; what is behind that is read from the journal."""
    exactly_once: bool = False
    """Each round and its watermark in one Kafka transaction: who reads committed records sees each event once."""
    transaction_timeout_seconds: Annotated[float, Field(ge=1, le=900, allow_inf_nan=False)] = 15.0
    """With ``exactly_once``: so long a killed relay's open transaction may hold readers up where nobody takes over."""


class StrictSettings(Section):
    """What ``strict`` waits for and for how long."""

    timeout_seconds: Seconds = 5.0
    """How long an exchange waits for Kafka's acknowledgement."""
    on_timeout: Literal["refuse", "degrade"] = "refuse"
    """Whether exchanges are then refused, or answered with their events in the journal alone, counted."""


class EventLogSettings(Section):
    """How durable an exchange is before its last byte."""

    durability: Literal["fast", "durable", "strict"] = "durable"
    """Where the events of an exchange are before its last byte: in memory, in the journal, or in Kafka."""
    fast_max_bytes: Bytes = 64 << 20
    """With ``fast``: what may wait in memory."""
    fast_flush_seconds: Seconds = 0.1
    """With ``fast``: how often that goes to the journal."""


class SchemaSettings(Section):
    """How long a consumer waits for a schema that it does not know yet."""

    wait_seconds: Seconds = 60.0
    """How long its records wait for it; then they are dead letters."""


class SchemaRegistrySettings(Section):
    """A schema registry with Confluent's API; where ``url`` is set, events in Kafka are framed with its ids."""

    url: Annotated[str, Field(pattern=r"^(https?://[^\s?#@]+)?$", examples=["https://registry:8081"])] = ""
    """Where its API begins, such as ``https://registry:8081``; without name and password."""
    username: Annotated[str, Field(examples=["sluice"])] = ""
    """For its API."""
    password: SecretStr = SecretStr("")
    """Of that user."""
    token: SecretStr = SecretStr("")
    """Sent as a bearer token, instead of name and password."""
    ca_file: Annotated[str, Field(examples=["/etc/sluice/ca.pem"])] = ""
    """PEM of who signed the registry's certificate; empty: the system's authorities."""
    auto_register: bool = True
    """Whether writers register their schemas; if not, somebody else must have done so."""
    subject_names: Literal["topic_name", "record_name", "topic_record_name"] = "topic_name"
    """Under which name a schema stands: ``<topic>-value``, the record's, or both."""
    timeout_seconds: Seconds = 5.0
    """Of each question to the registry."""

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
