"""Whether a secret proves an app, as the gateway itself would say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.access.credentials import hash_token
from sluice.clock import now_micros
from sluice.sdk.records import CredentialCheck

if TYPE_CHECKING:
    from gateway.snapshot import Snapshot

_MAX_CHARACTERS = 4096
"""More is no token of ours, and would only be hashed."""
_INVALID = CredentialCheck(valid=False)


def check_credential(secret: object, snapshot: Snapshot) -> CredentialCheck:
    """Valid is a token that is known, has not expired and may call LLMs, of an app that is active.

    From which address the app may be used (``allowed_ips``) is not asked: there is none. It counts as no use.
    """
    if not isinstance(secret, str) or not 0 < len(secret) <= _MAX_CHARACTERS:
        return _INVALID
    token = snapshot.tokens.get(hash_token(secret))
    app = None if token is None else snapshot.apps.get(token.app_id)
    if token is None or app is None or not app.is_active or "api" not in token.scopes:
        return _INVALID
    if token.expires_at is not None and token.expires_at <= now_micros():
        return _INVALID
    return CredentialCheck(valid=True, app_id=app.id, credential_id=token.id, expires_at=token.expires_at)
