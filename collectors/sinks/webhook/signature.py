"""Signs a request: HMAC-SHA256 over the time and the bytes of the body, so that neither can be changed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence


def signature(secrets: Sequence[bytes], at_seconds: int, body: bytes) -> str:
    """``t=<seconds>,v1=<hex>``, with a further ``v1`` for each further secret.

    What is signed is ``<seconds>.<body>``, the body as it is sent: compressed where it is.
    """
    signed = str(at_seconds).encode() + b"."
    marks = [_mark(secret, signed, body) for secret in secrets]
    return ",".join([f"t={at_seconds}", *(f"v1={mark}" for mark in marks)])


def _mark(secret: bytes, signed: bytes, body: bytes) -> str:
    code = hmac.new(secret, signed, hashlib.sha256)
    code.update(body)
    return code.hexdigest()
