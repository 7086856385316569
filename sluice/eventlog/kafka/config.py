"""From ``kafka.*`` to aiokafka's arguments, and from aiokafka's errors to ours.

EventLogError
├── KafkaUnreachableError   no broker answers: what a probe found, or what to check
└── KafkaDeniedError        a broker answers, and no ACL gives us the right: which one, to what
"""

from __future__ import annotations

from typing import Any

from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from sluice.eventlog.interface import EventLogError
from sluice.eventlog.kafka.probe import find_cause
from sluice.eventlog.kafka.rights import missing_right
from sluice.eventlog.kafka.tls import tls_context
from sluice.eventlog.settings import KafkaSettings


class KafkaUnreachableError(EventLogError):
    """No broker answers; the message says what to check."""


class KafkaDeniedError(EventLogError):
    """A right is missing; the message names it. It may be given at any time: trying again later helps."""


def connection_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """What every client of ours is made with. Raises EventLogError for a certificate file that cannot be used."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.request_timeout_seconds * 1000),
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol in {"SSL", "SASL_SSL"}:
        arguments["ssl_context"] = tls_context(settings)
    if settings.security_protocol.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": settings.password.get_secret_value(),
        }
    return arguments


def producer_arguments(settings: KafkaSettings, max_batch_bytes: int, max_request_bytes: int) -> dict[str, Any]:
    """Idempotent, acknowledged by all in-sync replicas, compressed."""
    return connection_arguments(settings) | {
        "acks": "all",
        "enable_idempotence": True,
        "compression_type": "zstd",
        "max_batch_size": max_batch_bytes,
        "max_request_size": max_request_bytes,
    }


async def explain(error: BaseException, settings: KafkaSettings, operation: str = "Read") -> EventLogError:
    """``translate``, and where no broker answers a probe that finds out why (15 s at most)."""
    translated = translate(error, settings, operation)
    if type(translated) is KafkaUnreachableError and (cause := await find_cause(settings)):
        return KafkaUnreachableError(f"Kafka at {settings.bootstrap_servers} cannot be reached: {cause}")
    return translated


def translate(error: BaseException, settings: KafkaSettings, operation: str = "Read") -> EventLogError:
    """An error of aiokafka as one of ours, with what to do; ``operation`` is what was to be done with a topic."""
    if isinstance(error, EventLogError):
        return error
    if isinstance(error, KafkaConnectionError | KafkaTimeoutError | OSError | TimeoutError):
        secured = settings.security_protocol != "PLAINTEXT"
        check = "kafka.username, kafka.password, kafka.ca_file and " if secured else ""
        message = f"Kafka at {settings.bootstrap_servers} cannot be reached: check {check}kafka.bootstrap_servers"
        return KafkaUnreachableError(message)
    if right := missing_right(error, settings, operation):
        return KafkaDeniedError(right)
    name = type(error).__name__
    retriable = isinstance(error, KafkaError) and error.retriable
    return EventLogError(f"Kafka refused: {name}: {error}" + (" (it may pass)" if retriable else ""))
