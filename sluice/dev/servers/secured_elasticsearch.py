"""A real Elasticsearch that says no: over TLS, to users of a file, and with limits so small that they are soon met."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sluice.dev.servers.elasticsearch import ElasticsearchServer, start_node
from sluice.dev.servers.folders import RunFolder
from sluice.dev.servers.ports import LOOPBACK
from sluice.dev.servers.process import ServerProcess
from sluice.dev.servers.progress import Progress, silent

HOST = "localhost"
MAX_CONTENT_BYTES = 1 << 20
"""Of a request: beyond it 413."""
MAX_INDEXING_BYTES = 200 << 10
"""Of all bulks under way: beyond it 429 for a whole request."""

_HASH_ROUNDS = 1_000  # the least that Elasticsearch takes
_WATCHER = "sluice-watcher"
_SETTINGS = {
    "xpack.security.enabled": "true",
    "xpack.security.enrollment.enabled": "false",
    "xpack.security.autoconfiguration.enabled": "false",
    "xpack.security.authc.password_hashing.algorithm": "pbkdf2_1000",
    "xpack.security.http.ssl.enabled": "true",
    "xpack.security.http.ssl.certificate": "http.pem",
    "xpack.security.http.ssl.key": "http.key",
    "http.max_content_length": f"{MAX_CONTENT_BYTES}b",
    "indexing_pressure.memory.limit": f"{MAX_INDEXING_BYTES}b",
    "thread_pool.write.size": "1",
    "thread_pool.write.queue_size": "2",
}


@dataclass(frozen=True, slots=True)
class Security:
    """What the node shows, and whom it knows."""

    certificate: str
    """PEM: its own for ``localhost``, and behind it its CA's."""
    key: str
    """PEM, of its own."""
    users: Mapping[str, str]
    """Name to password."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """User to role; ``superuser`` where nothing is said."""
    role_definitions: str = ""
    """``roles.yml``."""


class SecuredElasticsearch(ElasticsearchServer):
    """The node."""

    def __init__(self, process: ServerProcess, folder: RunFolder, port: int, password: str) -> None:
        super().__init__(process, folder, port)
        self._authorization = base64.b64encode(f"{_WATCHER}:{password}".encode()).decode()

    @property
    def url(self) -> str:
        """Its certificate is for ``localhost`` alone."""
        return f"https://{HOST}:{self.port}"

    def connect(self, timeout_seconds: float) -> http.client.HTTPConnection:
        """To ask for its health: nobody else can have this port."""
        context = ssl._create_unverified_context()  # noqa: S323, SLF001 - our own child on the loopback interface
        return http.client.HTTPSConnection(LOOPBACK, self.port, timeout=timeout_seconds, context=context)

    def headers(self) -> dict[str, str]:
        """Who asks."""
        return {"authorization": f"Basic {self._authorization}"}


def start_secured_elasticsearch(
    security: Security, progress: Progress = silent, *, cache_dir: Path | None = None
) -> SecuredElasticsearch:
    """Fetch Elasticsearch if need be, start it and return when it is ready."""
    password = base64.urlsafe_b64encode(os.urandom(12)).decode()
    users = {**security.users, _WATCHER: password}
    names: dict[str, list[str]] = {}
    for user in users:
        names.setdefault(security.roles.get(user, "superuser"), []).append(user)
    files = {
        "http.pem": security.certificate,
        "http.key": security.key,
        "users": "".join(f"{name}:{_hashed(secret)}\n" for name, secret in users.items()),
        "users_roles": "".join(f"{role}:{','.join(members)}\n" for role, members in names.items()),
        "roles.yml": security.role_definitions,
    }
    return start_node(
        lambda process, folder, port: SecuredElasticsearch(process, folder, port, password),
        progress,
        cache_dir=cache_dir,
        settings=_SETTINGS,
        files=files,
        heap="256m",
    )


def _hashed(password: str) -> str:
    """As its own tool would store it, which takes a JVM and three seconds."""
    salt = os.urandom(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _HASH_ROUNDS, 32)
    return f"{{PBKDF2}}{_HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
