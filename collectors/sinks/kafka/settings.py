"""The ``config`` of ``sink://kafka``."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from collectors.sinks.settings import Size
from schemas.events import Kind
from sluice.eventlog.settings import KafkaSettings, Seconds, Section

KIND_MARK = "{kind}"

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_NAMES: dict[Kind, str] = {"proxy_log": "proxy-log", "analytics": "analytics", "budget": "budget"}


class ClusterSettings(Section):
    """Another cluster; every key means what it means under ``kafka`` in ``sluice.yaml``."""

    bootstrap_servers: Annotated[str, Field(min_length=1)]
    client_id: str = "sluice"
    username: str = ""
    password: SecretStr = SecretStr("")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    ca_file: str = ""
    client_certificate_file: str = ""
    client_key_file: str = ""
    client_key_password: SecretStr = SecretStr("")
    check_hostname: bool = True
    request_timeout_seconds: Seconds = 10.0

    @model_validator(mode="after")
    def hold_together(self) -> Self:
        """As they must there."""
        self.connection()
        return self

    def connection(self) -> KafkaSettings:
        """As the event log's own code takes them."""
        return KafkaSettings(**{name: getattr(self, name) for name in type(self).model_fields})


class KafkaSinkSettings(Section):
    """``sink://kafka``."""

    topic: str
    """Where records go; ``{kind}`` in it is ``proxy-log``, ``analytics`` or ``budget``."""
    cluster: ClusterSettings | None = None
    """Where that topic is; without it in the Kafka of the event log itself."""
    body: Literal["original", "json"] = "original"
    """The bytes that the gateway wrote, or documents as other sinks have them."""
    max_record_bytes: Size = 1_048_576
    """Larger ones are dead letters; what the topic takes (``max.message.bytes``) may be less."""
    max_batch_bytes: Annotated[Size, Field(ge=16_384, le=16 << 20)] = 512 << 10

    @field_validator("topic")
    @classmethod
    def topic_is_a_name(cls, value: str) -> str:
        """With any kind in it."""
        if not _TOPIC.fullmatch(value.replace(KIND_MARK, "k" * 9)) or value in {".", ".."}:
            message = "must be the name of a topic (letters, digits, '.', '_', '-'), which may hold {kind}"
            raise ValueError(message)
        return value

    def topic_of(self, kind: Kind) -> str:
        """Where the events of a kind go."""
        return self.topic.replace(KIND_MARK, _NAMES[kind])
