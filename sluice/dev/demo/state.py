"""What the demo keeps between runs: two settings files that may be edited, and a token whose hash is in one of them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from sluice.dev.servers.ports import free_port, is_free

FORBIDDEN = "ignore all previous instructions"
"""What the demo's firewall blocks."""

_GATEWAY_PORT = 8080
_COLLECTORS_PORT = 9464
_VENDOR_PORT = 9101
_TOKEN_BYTES = 32

_SLUICE = """# Made by `sluice up --demo`. Edit it: it is not written again while it is here.
version: "1"
data_dir: {folder}/data
gateway: {{id: demo, host: 127.0.0.1, port: {gateway_port}}}
control: {{allow_private_endpoints: true, events: {{{events}}}}}
console: {{collectors: ["http://127.0.0.1:{collectors_port}"]}}
{kafka}
llms:
  - id: 1
    slug: demo
    name: The mock vendor
    base_url: http://127.0.0.1:{vendor_port}/v1
    plugins: [firewall]
  - id: 2
    slug: broken
    name: A vendor whose server is down
    base_url: http://127.0.0.1:1/v1

apps:
  - {{id: 1, name: demo, user_id: 1, llms: [demo, broken]}}

tokens:
  - {{app: 1, prefix: {prefix}, sha256: {sha256}}}

prices:   # per million tokens
  - {{id: mock, model: "mock-*", currency: USD, prompt: "0.15", response: "0.60", cache_read: "0.075"}}

plugins:
  - id: 1
    name: firewall
    command: python://sluice.plugins.firewall:Firewall
    config: {{patterns: ['{forbidden}']}}
"""
_KAFKA = "kafka: {bootstrap_servers: '${KAFKA_BOOTSTRAP}', single_broker: true}\n"

_COLLECTORS = """# Made by `sluice up --demo`. Edit it: it is not written again while it is here.
version: "1.0"
server: {{host: 127.0.0.1, port: {collectors_port}}}
shutdown_seconds: 4
data_collection_plugins:
  - name: events
    path: {sink}
    config: {{{config}}}
    batch: {{max_age_seconds: 0.2}}
"""


@dataclass(frozen=True, slots=True)
class DemoState:
    """Where the demo's files are, and the token."""

    config: Path
    collectors: Path
    database: Path
    token: str

    @property
    def admin_token(self) -> Path:
        """The file with the token that manages, made at the gateway's first start."""
        return self.config.parent / "data" / "admin.token"


def prepare(folder: Path, *, real: bool) -> DemoState:
    """The demo's files in ``folder``, made where they are missing. Ports are chosen once, so that addresses stay."""
    folder.mkdir(parents=True, exist_ok=True)
    state = DemoState(
        folder / "sluice.yaml", folder / "collectors.yaml", folder / "events.db", _token(folder / "token")
    )
    ports = _Ports()
    collectors_port = ports.take(_COLLECTORS_PORT)
    _write_once(state.config, _sluice_text(state.token, folder, state.database, ports, collectors_port, real=real))
    _write_once(state.collectors, _collectors_text(state.database, collectors_port, real=real))
    return state


class _Ports:
    """The usual port where it is free, else one that is."""

    def take(self, usual: int) -> int:
        return usual if is_free(usual) else free_port()


def _sluice_text(token: str, folder: Path, database: Path, ports: _Ports, collectors_port: int, *, real: bool) -> str:
    return _SLUICE.format(
        folder=folder.as_posix(),
        gateway_port=ports.take(_GATEWAY_PORT),
        vendor_port=ports.take(_VENDOR_PORT),
        collectors_port=collectors_port,
        events=_events(database, real=real),
        kafka=_KAFKA if real else "",
        prefix=token[:8],
        sha256=hashlib.sha256(token.encode()).hexdigest(),
        forbidden=FORBIDDEN,
    )


def _collectors_text(database: Path, collectors_port: int, *, real: bool) -> str:
    return _COLLECTORS.format(
        collectors_port=collectors_port,
        sink="sink://elasticsearch" if real else "sink://database",
        config="elasticsearch_url: '${ES_URL}'" if real else f"url: sqlite:///{database.as_posix()}",
    )


def _events(database: Path, *, real: bool) -> str:
    """Where the control API reads what the collector wrote."""
    return "elasticsearch_url: '${ES_URL}'" if real else f"database_url: 'sqlite:///{database.as_posix()}'"


def _token(path: Path) -> str:
    """Only its hash is in the settings, so the token itself is kept beside them, for the ``curl`` line."""
    if not path.exists():
        _write_once(path, f"slc_{secrets.token_urlsafe(_TOKEN_BYTES)}\n")
    return path.read_text("ascii").strip()


def _write_once(path: Path, text: str) -> None:
    """Readable by its owner alone from its first byte on."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")
