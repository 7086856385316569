"""A secured broker for the tests that need one: certificates, users, and ACLs that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sluice.dev.servers import missing_prerequisites
from sluice.dev.servers.secured_kafka import ListenerName, SecuredKafka, Security, start_secured_kafka
from sluice.eventlog.settings import LogSettings

SECONDS = 30.0
USERS = {"alice": "alice-secret", "bob": "bob-secret"}
_ANY, _TOPIC, _GROUP, _CLUSTER, _TRANSACTIONAL_ID = 1, 2, 3, 4, 5
RESOURCES = {"topic": _TOPIC, "group": _GROUP, "cluster": _CLUSTER, "transactional id": _TRANSACTIONAL_ID}
OPERATIONS = {"all": 2, "read": 3, "write": 4, "create": 5, "describe": 8, "describe configs": 10}
_LITERAL, _PREFIXED, _ALLOW = 3, 4, 3


@dataclass
class Secured:
    """The broker, and whose certificates count."""

    kafka: SecuredKafka
    folder: Path

    @property
    def ca_file(self) -> str:
        """Who signed the broker's certificate, and clients'."""
        return str(self.folder / "ca.pem")

    @property
    def client_file(self) -> str:
        """A client's certificate and key."""
        return str(self.folder / "client.pem")

    def settings(self, namespace: str, listener: ListenerName = "SASL_SSL", **more: Any) -> LogSettings:
        """Of alice, who has the rights that a test gives her."""
        protocol = {"PLAIN_ONLY": "SASL_PLAINTEXT", "MUTUAL": "SSL"}.get(listener, listener)
        kafka = {
            "bootstrap_servers": self.kafka.address(listener),
            "security_protocol": protocol,
            "namespace": namespace,
            "single_broker": True,
            "partitions": 2,
            "request_timeout_seconds": 5,
        }
        if protocol.endswith("SSL"):
            kafka["ca_file"] = self.ca_file
        if protocol.startswith("SASL"):
            kafka |= {"username": "alice", "password": USERS["alice"]}
        sections = {key: more.pop(key) for key in ("relay", "schema_registry", "eventlog") if key in more}
        return LogSettings.model_validate({"kafka": kafka | more, **sections})

    async def allow(
        self, resource: str, name: str, *operations: str, user: str = "alice", prefixed: bool = True
    ) -> None:
        """Give rights; returns when they hold."""
        pattern = _PREFIXED if prefixed else _LITERAL
        principal = f"User:{user}"
        async with self._admin() as admin:
            before = await _count(admin, resource, name, principal)
            for operation in operations:
                await admin._send_to_controller(
                    CreateAclsRequest(RESOURCES[resource], name, pattern, principal, "*", OPERATIONS[operation], _ALLOW)
                )
            async with asyncio.timeout(SECONDS):
                while await _count(admin, resource, name, principal) <= before:
                    pass

    async def deny(self, resource: str, name: str, user: str = "alice") -> None:
        """Take every right of this kind away that was given to this name; returns when they are gone."""
        principal = f"User:{user}"
        async with self._admin() as admin:
            await admin._send_to_controller(
                DeleteAclsRequest(RESOURCES[resource], name, _ANY, principal, None, _ANY, _ANY)
            )
            async with asyncio.timeout(SECONDS):
                while await _count(admin, resource, name, principal):
                    pass

    async def allow_everything(self, namespace: str, user: str = "alice") -> None:
        """What a gateway and collectors of a namespace need."""
        await self.allow("topic", namespace, "all", user=user)
        await self.allow("group", namespace, "all", user=user)
        await self.allow("transactional id", namespace, "all", user=user)

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.server.bootstrap_servers)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()


async def _count(admin: AIOKafkaAdminClient, resource: str, name: str, principal: str) -> int:
    """How many ACLs the broker itself knows of."""
    asked = DescribeAclsRequest(RESOURCES[resource], name, _ANY, principal, None, _ANY, _ANY)
    answer = await admin._send_to_controller(asked)
    return sum(len(found[-1]) for found in answer.resources)


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A secured broker, one for all tests that need it: give rights to unique names alone."""
    if missing := missing_prerequisites():
        pytest.skip("; ".join(missing))
    with secured_kafka(tmp_path_factory.mktemp("secured")) as found:
        yield found


@contextmanager
def secured_kafka(folder: Path) -> Iterator[Secured]:
    """Start one, with certificates of its own."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    write_pem(authority.issue_cert("localhost"), folder / "server.pem")
    write_pem(authority.issue_cert("a-gateway"), folder / "client.pem")
    folder.chmod(0o755)
    kafka = start_secured_kafka(Security(folder / "server.pem", folder / "ca.pem", USERS))
    try:
        yield Secured(kafka, folder)
    finally:
        kafka.close()


def write_pem(certificate: trustme.LeafCert, path: Path) -> None:
    """Key and certificates in one file; the key as PKCS 8, which is all that Kafka reads."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(text + b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
