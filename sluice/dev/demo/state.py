"""What the demo keeps between runs: two settings files that may be edited, and a token whose hash is in one of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from sluice.dev.demo.cast import LLMS, NEWCOMER_ID, TEAMS
from sluice.dev.demo.files import Ports, collectors_text, sluice_text
from sluice.dev.servers.ports import free_port, is_free

_GATEWAY_PORT = 8080
_COLLECTORS_PORT = 9464
_VENDOR_PORT = 9101
_TOKEN_BYTES = 32


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

    def token_of(self, app_id: int) -> str:
        """An app's token; those of the teams are made from the one that is kept."""
        if app_id == NEWCOMER_ID:
            return self.token
        made = hmac.digest(self.token.encode(), f"app {app_id}".encode(), "sha256")
        return f"slc_{base64.urlsafe_b64encode(made).decode().rstrip('=')}"


def prepare(folder: Path, *, real: bool) -> DemoState:
    """The demo's files in ``folder``, made where they are missing. Ports are chosen once, so that addresses stay."""
    folder.mkdir(parents=True, exist_ok=True)
    state = DemoState(
        folder / "sluice.yaml", folder / "collectors.yaml", folder / "events.db", _token(folder / "token")
    )
    tokens = {app: state.token_of(app) for app in (NEWCOMER_ID, *(team.id for team in TEAMS))}
    ports = Ports(*map(_port, (_GATEWAY_PORT, _VENDOR_PORT, _COLLECTORS_PORT)))
    _write_once(state.config, sluice_text(folder, state.database, ports, tokens, real=real))
    _write_once(state.collectors, collectors_text(state.database, ports, real=real))
    return state


def missing_llms(state: DemoState) -> list[str]:
    """LLMs that the traffic asks for and the settings do not have: they were edited, or made by another version."""
    text = state.config.read_text("utf-8")
    return [
        slug
        for slug in ("demo", "broken", *(llm.slug for llm in LLMS))
        if not re.search(rf"\bslug: {slug}(?![\w-])", text)
    ]


def knows_token(state: DemoState) -> bool:
    """Whether the settings have the token's hash: of the two files one may have been lost, and made anew."""
    return hashlib.sha256(state.token.encode()).hexdigest() in state.config.read_text("utf-8")


def _port(usual: int) -> int:
    """The usual port where it is free, else one that is."""
    return usual if is_free(usual) else free_port()


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
