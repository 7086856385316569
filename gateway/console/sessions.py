"""A sign-in as a cookie: the token itself, sealed by the gateway's secret key.

Nothing is kept here, so a sign-in holds on every worker and across restarts; and since the token is looked up at each
request, it ends with the token: revoked, expired or of an inactive app. The browser cannot read it (``HttpOnly``), and
no other site can send it (``SameSite=Strict``). Signing out makes the browser forget it; who copied it before must be
stopped by revoking the token.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import orjson

from sluice.clock import now_micros
from sluice.secrets import SecretError

if TYPE_CHECKING:
    from sluice.secrets import SecretBox

COOKIE = "sluice_console"
_CONTEXT = "console.session"
_MAX_CHARACTERS = 2048
_MICROS = 1_000_000


class Sessions:
    """Makes and opens the cookie's value."""

    def __init__(self, box: SecretBox, hours: float) -> None:
        self._box = box
        self.seconds = int(hours * 3600)
        """How long a sign-in lasts."""

    def seal(self, token: str) -> str:
        """The cookie's value for a token that is good."""
        text = orjson.dumps([now_micros() + self.seconds * _MICROS, token]).decode()
        return base64.urlsafe_b64encode(self._box.encrypt(text, _CONTEXT)).decode("ascii")

    def open(self, value: str) -> str | None:
        """The token within; ``None`` where the value is not ours, or is too old."""
        if not 0 < len(value) <= _MAX_CHARACTERS:
            return None
        try:
            sealed = base64.b64decode(value.encode("ascii"), altchars=b"-_", validate=True)
            until, token = orjson.loads(self._box.decrypt(sealed, _CONTEXT))
        except (binascii.Error, UnicodeEncodeError, SecretError):
            return None
        return str(token) if until > now_micros() else None
