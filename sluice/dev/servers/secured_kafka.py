"""A real Apache Kafka that asks who is there: TLS, SASL, client certificates and ACLs, each with its own listener."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sluice.dev.servers.kafka import EXTRA_LISTENERS, KafkaServer, start_kafka
from sluice.dev.servers.ports import free_port
from sluice.dev.servers.progress import Progress, silent

HOST = "localhost"
ListenerName = Literal["SASL_SSL", "SASL_PLAINTEXT", "PLAIN_ONLY", "SSL", "MUTUAL"]
"""``PLAIN_ONLY`` knows no SCRAM; ``MUTUAL`` is TLS that asks for the client's certificate."""
_PROTOCOLS: dict[ListenerName, str] = {
    "SASL_SSL": "SASL_SSL",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
    "PLAIN_ONLY": "SASL_PLAINTEXT",
    "SSL": "SSL",
    "MUTUAL": "SSL",
}
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_SCRAM_MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True)
class Security:
    """What the broker shows, and whom it knows."""

    key_store: Path
    """PEM: its private key (PKCS 8) and its certificate, for ``localhost``."""
    trust_store: Path
    """PEM: who signs clients' certificates."""
    users: Mapping[str, str] = field(default_factory=dict)
    """Name to password, for PLAIN and SCRAM alike; none has a right until an ACL gives it one."""


class SecuredKafka:
    """The broker and its listeners. On the plain one everybody may do everything: that is for who makes ACLs."""

    def __init__(self, server: KafkaServer, ports: Mapping[ListenerName, int]) -> None:
        self.server = server
        self._ports = ports

    def address(self, listener: ListenerName, host: str = HOST) -> str:
        """``host:port`` of a listener; its certificate is for ``localhost`` alone."""
        return f"{host}:{self._ports[listener]}"

    def close(self) -> None:
        """End it at once and delete its data."""
        self.server.close()


def start_secured_kafka(
    security: Security, progress: Progress = silent, *, cache_dir: Path | None = None
) -> SecuredKafka:
    """Fetch Kafka if need be, start it with every listener and return when it is ready."""
    ports: dict[ListenerName, int] = {name: free_port() for name in _PROTOCOLS}
    server = start_kafka(
        progress,
        cache_dir=cache_dir,
        settings=_settings(security, ports),
        format_options=[
            option
            for name, password in security.users.items()
            for mechanism in _SCRAM_MECHANISMS
            for option in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
        ],
    )
    return SecuredKafka(server, ports)


def _settings(security: Security, ports: Mapping[ListenerName, int]) -> dict[str, str]:
    protocols: dict[str, str] = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"} | dict(_PROTOCOLS.items())
    return {
        EXTRA_LISTENERS: "".join(f"{name}://{HOST}:{port}," for name, port in ports.items()),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "sasl.enabled.mechanisms": ",".join(("PLAIN", *_SCRAM_MECHANISMS)),
        "listener.name.plain_only.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.mutual.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(security.key_store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(security.trust_store),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        **_logins(security.users),
    }


def _logins(users: Mapping[str, str]) -> dict[str, str]:
    known = " ".join(f'user_{name}="{password}"' for name, password in users.items())
    settings = {}
    for listener, protocol in _PROTOCOLS.items():
        if protocol.startswith("SASL"):
            prefix = f"listener.name.{listener.lower()}"
            settings[f"{prefix}.plain.sasl.jaas.config"] = f"{_PLAIN} {known};"
            settings |= {f"{prefix}.{each.lower()}.sasl.jaas.config": _SCRAM for each in _SCRAM_MECHANISMS}
    return settings
