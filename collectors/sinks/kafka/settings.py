"""The ``config`` of ``sink://kafka``."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from collectors.sinks.settings import Size
from schemas.events import Kind
from sluice.eventlog.settings import KafkaConnection, KafkaSettings, Section

KIND_MARK = "{kind}"

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_NAMES: dict[Kind, str] = {"proxy_log": "proxy-log", "analytics": "analytics", "budget": "budget"}


class ClusterSettings(KafkaConnection):
    """Another cluster; every key means what it means under ``kafka`` in ``sluice.yaml``."""

    bootstrap_servers: Annotated[str, Field(min_length=1, examples=["kafka.analytics:9093"])]
    """``host:port``, with commas between."""

    def connection(self) -> KafkaSettings:
        """As the event log's own code takes them."""
        return KafkaSettings(**{name: getattr(self, name) for name in type(self).model_fields})


class KafkaSinkSettings(Section):
    """``sink://kafka``."""

    topic: Annotated[str, Field(examples=["llm.{kind}"])]
    """Where records go; ``{kind}`` in it is ``proxy-log``, ``analytics`` or ``budget``."""
    cluster: ClusterSettings | None = None
    """Where that topic is; without it in the Kafka of the event log itself."""
    body: Literal["original", "json"] = "original"
    """The bytes that the gateway wrote, or documents as other sinks have them."""
    max_record_bytes: Size = 1_048_576
    """Larger ones are dead letters; what the topic takes (``max.message.bytes``) may be less."""
    max_batch_bytes: Annotated[Size, Field(ge=16_384, le=16 << 20)] = 512 << 10
    """Of a batch, before compression."""

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
