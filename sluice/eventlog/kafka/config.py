"""From ``kafka.*`` to aiokafka's arguments, and from aiokafka's errors to ours."""

from __future__ import annotations

import ssl
from typing import Any

from aiokafka.errors import KafkaConnectionError, KafkaError

from sluice.eventlog.interface import EventLogError
from sluice.eventlog.settings import KafkaSettings


class KafkaUnreachableError(EventLogError):
    """No broker answers; the message says what to check."""


def connection_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """What every client of ours is made with. Raises EventLogError for a certificate file that cannot be read."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.request_timeout_seconds * 1000),
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol in {"SSL", "SASL_SSL"}:
        arguments["ssl_context"] = _tls(settings.ca_file)
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


def translate(error: BaseException, settings: KafkaSettings) -> EventLogError:
    """An error of aiokafka as one of ours, with what to do."""
    if isinstance(error, EventLogError):
        return error
    if isinstance(error, KafkaConnectionError | OSError | TimeoutError):
        # a wrong password and an untrusted certificate look just like this: aiokafka says no more
        secured = settings.security_protocol != "PLAINTEXT"
        check = "kafka.username, kafka.password, kafka.ca_file and " if secured else ""
        message = f"Kafka at {settings.bootstrap_servers} cannot be reached: check {check}kafka.bootstrap_servers"
        return KafkaUnreachableError(message)
    name = type(error).__name__
    retriable = isinstance(error, KafkaError) and error.retriable
    return EventLogError(f"Kafka refused: {name}: {error}" + (" (it may pass)" if retriable else ""))


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        message = f"kafka.ca_file: {ca_file!r} cannot be used ({error}); name a PEM file of certificates"
        raise EventLogError(message) from error
